#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <span>

#include "device/isa_ladder.h"

namespace freehold::device {

namespace {

// Bits: Intel SDM volume 2A, CPUID leaf 7. What _avx512.cc and _avx512vnni.cc are compiled for.
constexpr std::array kAvx512Needs{
    CpuNeed{"AVX512F", &CpuReading::leaf7_ebx, 1u << 16},
    CpuNeed{"AVX512DQ", &CpuReading::leaf7_ebx, 1u << 17},
    CpuNeed{"AVX512CD", &CpuReading::leaf7_ebx, 1u << 28},
    CpuNeed{"AVX512BW", &CpuReading::leaf7_ebx, 1u << 30},
    CpuNeed{"AVX512VL", &CpuReading::leaf7_ebx, 1u << 31},
    CpuNeed{"AVX512_VNNI", &CpuReading::leaf7_ecx, 1u << 11},
    CpuNeed{"AVX-512 state saved by the operating system", nullptr, 0xE6},
};

constexpr std::array kAmxNeeds{
    CpuNeed{"AMX-TILE", &CpuReading::leaf7_edx, 1u << 24},
    CpuNeed{"AMX-INT8", &CpuReading::leaf7_edx, 1u << 25},
    CpuNeed{"tile state saved by the operating system", nullptr, 0x60000},
};

constexpr std::string_view kTilePermission = "permission from the kernel to use tiles";

std::span<const CpuNeed> needs_of(Isa rung) {
  switch (rung) {
    case Isa::kAvx2:
      return {floor_needs().first, floor_needs().count};
    case Isa::kAvx512:
      return kAvx512Needs;
    case Isa::kAmx:
      return kAmxNeeds;
    case Isa::kScalar:
      break;
  }
  return {};
}

// Linux gives tile registers only to processes that ask (arch_prctl(2), ARCH_REQ_XCOMP_PERM with
// the number of the tile data component). Threads made later inherit the permission.
bool ask_for_tiles() {
  constexpr int kRequestPermission = 0x1023;
  constexpr int kTileData = 18;
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

struct Machine {
  CpuReading cpu;
  bool tiles_permitted;
  Isa best;
};

Machine look_at_machine() {
  Machine machine{read_cpu(), false, Isa::kScalar};
  // Asked only where it could make a difference: older kernels do not know the call.
  if (highest_rung(machine.cpu, true) == Isa::kAmx) machine.tiles_permitted = ask_for_tiles();
  machine.best = highest_rung(machine.cpu, machine.tiles_permitted);
  return machine;
}

const Machine& this_machine() {
  static const Machine machine = look_at_machine();
  return machine;
}

std::string missing_here(Isa rung) {
  std::string all;
  for (const Isa below : {Isa::kAvx2, Isa::kAvx512, Isa::kAmx}) {
    if (below > rung) break;
    const std::string some = missing_for(below, this_machine().cpu, this_machine().tiles_permitted);
    if (!all.empty() && !some.empty()) all += ", ";
    all += some;
  }
  return all;
}

}  // namespace

std::string missing_for(Isa rung, const CpuReading& cpu, bool tiles_permitted) {
  std::string missing;
  const auto add = [&missing](std::string_view name) {
    if (!missing.empty()) missing += ", ";
    missing += name;
  };
  for (const CpuNeed& need : needs_of(rung)) {
    if (!cpu_has(cpu, need)) add(need.name);
  }
  if (rung == Isa::kAmx && missing.empty() && !tiles_permitted) add(kTilePermission);
  return missing;
}

Isa highest_rung(const CpuReading& cpu, bool tiles_permitted) {
  Isa best = Isa::kScalar;
  for (const Isa rung : {Isa::kAvx2, Isa::kAvx512, Isa::kAmx}) {
    if (!missing_for(rung, cpu, tiles_permitted).empty()) break;
    best = rung;
  }
  return best;
}

Isa best_isa() { return this_machine().best; }

Result<Isa> parse_isa(std::string_view name) { return choose_rung(name, best_isa(), missing_here); }

}  // namespace freehold::device
