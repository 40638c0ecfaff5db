#include "device/cpu_floor.h"

#include <gtest/gtest.h>

#include <string>

namespace freehold::device {
namespace {

// A processor with everything.
CpuReading full_cpu() {
  CpuReading cpu;
  cpu.leaf1_ecx = cpu.leaf7_ebx = cpu.leaf7_ecx = cpu.leaf7_edx = cpu.extended1_ecx = ~0u;
  cpu.xcr0 = ~0ull;
  return cpu;
}

TEST(CpuFloor, NamesWhatIsMissing) {
  char text[512];
  EXPECT_EQ(describe_missing(full_cpu(), text, sizeof text), 0u);
  CpuReading old = full_cpu();
  old.leaf7_ebx &= ~(1u << 5);
  old.leaf1_ecx &= ~(1u << 12);
  EXPECT_GT(describe_missing(old, text, sizeof text), 0u);
  EXPECT_EQ(std::string(text).find("freehold: this processor lacks FMA, AVX2.\n"), 0u);
  EXPECT_LT(describe_missing(CpuReading{}, text, sizeof text), sizeof text);
  char tiny[8];
  EXPECT_EQ(describe_missing(CpuReading{}, tiny, sizeof tiny), 7u);  // Cut, never overrun.
  EXPECT_STREQ(tiny, "freehol");
}

TEST(CpuFloor, EveryNeedIsNoticedAlone) {
  const CpuNeeds needs = floor_needs();
  ASSERT_EQ(needs.count, 17u);
  for (unsigned i = 0; i < needs.count; ++i) {
    CpuReading cpu = full_cpu();
    if (needs.first[i].word == nullptr) {
      cpu.xcr0 = 0;
    } else {
      cpu.*needs.first[i].word = ~needs.first[i].mask;
    }
    char text[512];
    ASSERT_GT(describe_missing(cpu, text, sizeof text), 0u);
    EXPECT_EQ(std::string(text).find(std::string("freehold: this processor lacks ") +
                                     needs.first[i].name + ".\n"),
              0u);
  }
}

}  // namespace
}  // namespace freehold::device
