#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "device/isa_ladder.h"
#include "device/machine_state.h"
#include "device/memory.h"
#include "device/topology.h"

namespace freehold::device {
namespace {

// --- Instruction sets ---------------------------------------------------------------------------

// A processor with everything.
CpuReading full_cpu() {
  CpuReading cpu;
  cpu.leaf1_ecx = cpu.leaf7_ebx = cpu.leaf7_ecx = cpu.leaf7_edx = cpu.extended1_ecx = ~0u;
  cpu.xcr0 = ~0ull;
  return cpu;
}

TEST(Isa, NamesGoRound) {
  for (const Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512, Isa::kAmx}) {
    const auto never = [](Isa) { return std::string(); };
    EXPECT_EQ(MUST(choose_rung(isa_name(isa), Isa::kAmx, never)), isa);
  }
}

TEST(Isa, MoreThanTheMachineHasIsRefusedByName) {
  const auto result =
      choose_rung("amx", Isa::kAvx2, [](Isa) { return std::string("AMX-TILE, AMX-INT8"); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kRefused);
  EXPECT_NE(result.error().message.find("AMX-TILE, AMX-INT8"), std::string::npos);
}

TEST(Isa, UnknownNamesListTheKnown) {
  const auto result = parse_isa("sse9");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kUsage);
  EXPECT_NE(result.error().hint.find("avx512"), std::string::npos);
}

TEST(Isa, ThisMachineMayUseItsBest) {
  EXPECT_EQ(MUST(parse_isa(isa_name(best_isa()))), best_isa());
  EXPECT_EQ(MUST(parse_isa("scalar")), Isa::kScalar);
}

// The ladder without looking at what the operating system saves: the wrong version that works until
// the first context switch.
Isa rung_without_os_state(CpuReading cpu) {
  cpu.xcr0 = ~0ull;
  return highest_rung(cpu, true);
}

TEST(Isa, LadderOnMachinesThatAreNotHere) {
  if (highest_rung(full_cpu(), true) == Isa::kScalar) {
    GTEST_SKIP() << "This processor family has one rung.";
  }
  EXPECT_EQ(highest_rung(full_cpu(), true), Isa::kAmx);
  EXPECT_EQ(highest_rung(full_cpu(), false), Isa::kAvx512);
  EXPECT_EQ(highest_rung({}, true), Isa::kScalar);

  CpuReading no_zmm_state = full_cpu();
  no_zmm_state.xcr0 = 0x7;
  EXPECT_EQ(highest_rung(no_zmm_state, true), Isa::kAvx2);
  EXPECT_NE(rung_without_os_state(no_zmm_state), highest_rung(no_zmm_state, true));  // The mutant.

  CpuReading no_vnni = full_cpu();
  no_vnni.leaf7_ecx &= ~(1u << 11);
  EXPECT_EQ(highest_rung(no_vnni, true), Isa::kAvx2);
  EXPECT_EQ(missing_for(Isa::kAvx512, no_vnni, true), "AVX512_VNNI");

  CpuReading no_fma = full_cpu();
  no_fma.leaf1_ecx &= ~(1u << 12);
  EXPECT_EQ(highest_rung(no_fma, true), Isa::kScalar);

  EXPECT_NE(missing_for(Isa::kAmx, full_cpu(), false), "");
  EXPECT_EQ(missing_for(Isa::kAmx, full_cpu(), true), "");
}

// --- Memory -------------------------------------------------------------------------------------

TEST(Buffer, ZeroedAlignedAndCharged) {
  MemoryAccount account;
  {
    Buffer small = MUST(Buffer::create(account, MemoryUse::kCache, 100));
    EXPECT_EQ(small.size(), 100u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(small.data()) % 64, 0u);
    for (const std::byte byte : small.bytes()) EXPECT_EQ(byte, std::byte{0});
    EXPECT_GE(account.held(MemoryUse::kCache), 100u);
    EXPECT_EQ(account.held(MemoryUse::kWeights), 0u);
    EXPECT_EQ(account.held_total(), account.held(MemoryUse::kCache));
  }
  EXPECT_EQ(account.held_total(), 0u);
  EXPECT_GE(account.peak_total(), 100u);
}

TEST(Buffer, LargeOnesStartOnHugePages) {
  MemoryAccount account;
  for (const size_t bytes : {size_t{2} << 20, (size_t{2} << 20) + 1, (size_t{5} << 20) + 4097}) {
    Buffer large = MUST(Buffer::create(account, MemoryUse::kWeights, bytes));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(large.data()) % (size_t{2} << 20), 0u);
    large.data()[0] = std::byte{1};
    large.data()[bytes - 1] = std::byte{2};
    EXPECT_LT(account.held(MemoryUse::kWeights), bytes + 65536);
  }
}

TEST(Buffer, MovesWithoutCountingTwice) {
  MemoryAccount account;
  Buffer first = MUST(Buffer::create(account, MemoryUse::kOther, 5000));
  const uint64_t held = account.held_total();
  const std::byte* const data = first.data();
  Buffer second = std::move(first);
  EXPECT_EQ(second.data(), data);
  EXPECT_EQ(account.held_total(), held);
  second = MUST(Buffer::create(account, MemoryUse::kRing, 10));
  EXPECT_EQ(account.held(MemoryUse::kOther), 0u);
  second = Buffer();
  EXPECT_EQ(account.held_total(), 0u);
}

TEST(Buffer, NothingAndTooMuch) {
  MemoryAccount account;
  EXPECT_EQ(MUST(Buffer::create(account, MemoryUse::kOther, 0)).data(), nullptr);
  for (const size_t bytes : {SIZE_MAX, SIZE_MAX - 4096, size_t{1} << 60}) {
    const auto result = Buffer::create(account, MemoryUse::kWeights, bytes);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kRefused);
    EXPECT_NE(result.error().message.find(std::to_string(bytes)), std::string::npos);
  }
  EXPECT_EQ(account.held_total(), 0u);
}

TEST(Memory, PeakGrowsWithUse) {
  const uint64_t before = peak_resident_bytes();
  ASSERT_GT(before, 0u);
  MemoryAccount account;
  const size_t bytes = before + (size_t{16} << 20);
  Buffer large = MUST(Buffer::create(account, MemoryUse::kOther, bytes));
  for (size_t i = 0; i < bytes; i += 4096) large.data()[i] = std::byte{1};
  EXPECT_GT(peak_resident_bytes(), before);
}

// --- Topology -----------------------------------------------------------------------------------

// A machine described by files in a folder that goes away with it.
class FakeMachine {
 public:
  FakeMachine() {
    std::string pattern = (std::filesystem::temp_directory_path() / "freehold-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data()) != nullptr ? pattern : "";
  }
  ~FakeMachine() { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path file(root_ + path);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void siblings(size_t processor, const std::string& list) {
    write("/sys/devices/system/cpu/cpu" + std::to_string(processor) +
              "/topology/thread_siblings_list",
          list + "\n");
  }
  const std::string& root() const { return root_; }

 private:
  std::string root_;
};

TEST(Topology, ProcessorLists) {
  EXPECT_EQ(parse_processor_list("0-2,5,9-10\n"), (std::vector<size_t>{0, 1, 2, 5, 9, 10}));
  EXPECT_EQ(parse_processor_list("7"), (std::vector<size_t>{7}));
  EXPECT_TRUE(parse_processor_list("").empty());
  EXPECT_TRUE(parse_processor_list("x,3-,-,1-2-3,0-99999999").empty());
}

TEST(Topology, SiblingsCountOnce) {
  FakeMachine machine;
  for (const size_t cpu : {0u, 1u, 2u, 3u}) machine.siblings(cpu, cpu % 2 == 0 ? "0,2" : "1,3");
  EXPECT_EQ(one_per_core({0, 1, 2, 3}, machine.root()), (std::vector<size_t>{0, 1}));
  EXPECT_EQ(one_per_core({2, 3}, machine.root()), (std::vector<size_t>{2, 3}));
  EXPECT_EQ(one_per_core({4, 5}, machine.root()), (std::vector<size_t>{4, 5}));  // Not described.
  EXPECT_EQ(usable_cores({0, 1, 2, 3}, machine.root()), 2u);
}

// Looks only at the process's own group: misses the limit that a container's parent sets.
std::optional<double> quota_of_own_group_only(const std::string& root) {
  std::ifstream file(root + "/sys/fs/cgroup/a/b/cpu.max");
  double quota = 0, period = 0;
  if (!(file >> quota >> period)) return std::nullopt;
  return quota / period;
}

TEST(Topology, QuotaOfVersion2IsTheTightestOnTheWayUp) {
  FakeMachine machine;
  machine.write("/proc/self/cgroup", "0::/a/b\n");
  machine.write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota(machine.root()), std::nullopt);
  machine.write("/sys/fs/cgroup/a/cpu.max", "250000 100000\n");
  EXPECT_EQ(cpu_quota(machine.root()), 2.5);
  EXPECT_NE(quota_of_own_group_only(machine.root()), cpu_quota(machine.root()));  // The mutant.
  EXPECT_EQ(usable_cores({0, 1, 2, 3}, machine.root()), 2u);
  machine.write("/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
  EXPECT_EQ(cpu_quota(machine.root()), 0.5);
  EXPECT_EQ(usable_cores({0, 1, 2, 3}, machine.root()), 1u);
}

TEST(Topology, QuotaOfVersion1) {
  FakeMachine machine;
  machine.write("/proc/self/cgroup", "5:memory:/x\n4:cpu,cpuacct:/docker/abc\n");
  machine.write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  machine.write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(machine.root()), std::nullopt);
  machine.write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(cpu_quota(machine.root()), 3.0);
}

TEST(Topology, DamagedFilesMeanNoQuota) {
  FakeMachine machine;
  EXPECT_EQ(cpu_quota(machine.root()), std::nullopt);
  for (const char* text : {"", "::", "0:", "0::", "0::/", "garbage\n\n:::\n"}) {
    machine.write("/proc/self/cgroup", text);
    machine.write("/sys/fs/cgroup/cpu.max", "1 0\n");
    EXPECT_EQ(cpu_quota(machine.root()), std::nullopt) << text;
  }
}

TEST(MachineState, PortsAndHugePagesAsTheKernelWritesThem) {
  FakeMachine machine;
  EXPECT_FALSE(is_listening(8080, machine.root()));
  EXPECT_EQ(huge_page_policy(machine.root()), "");
  machine.write("/proc/net/tcp",
                "  sl  local_address rem_address   st tx_queue rx_queue\n"
                "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n"
                "   1: 0100007F:2CAA 0100007F:9999 01 00000000:00000000\n"
                "   2: garbage\n   3: :zz 0 0A\n");
  machine.write("/proc/net/tcp6",
                "   0: 00000000000000000000000000000000:0050 "
                "00000000000000000000000000000000:0000 0A 0:0\n");
  EXPECT_TRUE(is_listening(8080, machine.root()));
  EXPECT_FALSE(is_listening(11434, machine.root()));  // a connection, nobody who listens
  EXPECT_TRUE(is_listening(80, machine.root()));
  EXPECT_FALSE(is_listening(0, machine.root()));
  machine.write("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  EXPECT_EQ(huge_page_policy(machine.root()), "madvise");
  machine.write("/sys/kernel/mm/transparent_hugepage/enabled", "] nonsense [");
  EXPECT_EQ(huge_page_policy(machine.root()), "");
  EXPECT_GE(landlock_version(), 0);
  (void)clock_is_kept();
}

TEST(Topology, ThisMachine) {
  EXPECT_FALSE(allowed_processors().empty());
  EXPECT_LE(usable_cores(allowed_processors(), ""), allowed_processors().size());
}

}  // namespace
}  // namespace freehold::device
