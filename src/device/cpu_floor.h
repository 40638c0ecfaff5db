#pragma once
// The processor as CPUID and the operating system describe it, and the floor below which the
// program refuses to start. Implemented in cpu_floor_baseline.cc, which is compiled for plain
// x86-64 and runs its check before main() and before any C++ initialiser of the program. Not for
// aarch64, whose every processor has what we need.
//
// Nothing here may use the C++ library: its inline functions may have been compiled for newer
// processors elsewhere in the program, and the linker keeps only one copy.

#include <cstdint>

namespace freehold::device {

/// What CPUID and XGETBV returned. All zero where the processor has no such leaf.
struct CpuReading {
  uint32_t leaf1_ecx = 0;
  uint32_t leaf7_ebx = 0;
  uint32_t leaf7_ecx = 0;
  uint32_t leaf7_edx = 0;
  uint32_t extended1_ecx = 0;  // leaf 0x80000001
  uint64_t xcr0 = 0;           // register state that the operating system saves
};

/// Asks this processor. Any thread.
CpuReading read_cpu();

/// One thing that a rung of the ladder needs, and its name as Linux and the manuals write it.
struct CpuNeed {
  const char* name;
  uint32_t CpuReading::*word;  // nullptr: a need of XCR0
  uint32_t mask;               // every bit must be set, in the word or in XCR0
};

/// The needs of x86-64-v3 (System V ABI for x86-64, table 3.1), its lower levels included.
struct CpuNeeds {
  const CpuNeed* first;
  unsigned count;
};
CpuNeeds floor_needs();

bool cpu_has(const CpuReading& cpu, const CpuNeed& need);

/// Writes "freehold: this processor lacks A, B. …" into `text` where `cpu` is below the floor and
/// returns the length; 0 where it is good enough.
unsigned describe_missing(const CpuReading& cpu, char* text, unsigned text_size);

}  // namespace freehold::device
