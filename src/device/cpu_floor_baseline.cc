#include "device/cpu_floor.h"

#include <cpuid.h>
#include <unistd.h>

namespace freehold::device {

namespace {

constexpr uint32_t kOsxsave = 1u << 27;  // leaf 1 ecx: XGETBV may be executed.

// Bits: Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
const CpuNeed kFloorNeeds[] = {
    {"SSE3", &CpuReading::leaf1_ecx, 1u << 0},
    {"SSSE3", &CpuReading::leaf1_ecx, 1u << 9},
    {"FMA", &CpuReading::leaf1_ecx, 1u << 12},
    {"CMPXCHG16B", &CpuReading::leaf1_ecx, 1u << 13},
    {"SSE4.1", &CpuReading::leaf1_ecx, 1u << 19},
    {"SSE4.2", &CpuReading::leaf1_ecx, 1u << 20},
    {"MOVBE", &CpuReading::leaf1_ecx, 1u << 22},
    {"POPCNT", &CpuReading::leaf1_ecx, 1u << 23},
    {"OSXSAVE", &CpuReading::leaf1_ecx, kOsxsave},
    {"AVX", &CpuReading::leaf1_ecx, 1u << 28},
    {"F16C", &CpuReading::leaf1_ecx, 1u << 29},
    {"BMI1", &CpuReading::leaf7_ebx, 1u << 3},
    {"AVX2", &CpuReading::leaf7_ebx, 1u << 5},
    {"BMI2", &CpuReading::leaf7_ebx, 1u << 8},
    {"LAHF", &CpuReading::extended1_ecx, 1u << 0},
    {"LZCNT", &CpuReading::extended1_ecx, 1u << 5},
    {"AVX state saved by the operating system", nullptr, 0x6},
};

// Appends as much of `piece` as fits, keeping `text` ended by a zero.
unsigned append(char* text, unsigned used, unsigned text_size, const char* piece) {
  while (*piece != '\0' && used + 1 < text_size) text[used++] = *piece++;
  if (text_size > 0) text[used] = '\0';
  return used;
}

constexpr int kRefused = 4;  // ErrorCode::kRefused (base/result.h, not included here: see above).

// Priority 101 is the first that a program may use: before every C++ initialiser of ours.
__attribute__((constructor(101))) void refuse_processors_below_the_floor() {
  char text[512];
  const unsigned length = describe_missing(read_cpu(), text, sizeof text);
  if (length == 0) return;
  if (::write(STDERR_FILENO, text, length) < 0) ::_exit(kRefused);
  ::_exit(kRefused);
}

}  // namespace

CpuReading read_cpu() {
  CpuReading cpu;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0) cpu.leaf1_ecx = ecx;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) {
    cpu.leaf7_ebx = ebx;
    cpu.leaf7_ecx = ecx;
    cpu.leaf7_edx = edx;
  }
  if (__get_cpuid(0x80000001u, &eax, &ebx, &ecx, &edx) != 0) cpu.extended1_ecx = ecx;
  if ((cpu.leaf1_ecx & kOsxsave) != 0) {
    uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    cpu.xcr0 = (static_cast<uint64_t>(high) << 32) | low;
  }
  return cpu;
}

CpuNeeds floor_needs() { return {kFloorNeeds, sizeof kFloorNeeds / sizeof kFloorNeeds[0]}; }

bool cpu_has(const CpuReading& cpu, const CpuNeed& need) {
  if (need.word == nullptr) return (cpu.xcr0 & need.mask) == need.mask;
  return (cpu.*need.word & need.mask) == need.mask;
}

unsigned describe_missing(const CpuReading& cpu, char* text, unsigned text_size) {
  unsigned used = 0;
  bool any = false;
  const CpuNeeds needs = floor_needs();
  for (unsigned i = 0; i < needs.count; ++i) {
    if (cpu_has(cpu, needs.first[i])) continue;
    used = append(text, used, text_size, any ? ", " : "freehold: this processor lacks ");
    used = append(text, used, text_size, needs.first[i].name);
    any = true;
  }
  if (!any) return 0;
  return append(text, used, text_size,
                ".\nFreehold needs x86-64-v3: Intel Haswell (2013), AMD Excavator (2015) or "
                "later.\n");
}

}  // namespace freehold::device
