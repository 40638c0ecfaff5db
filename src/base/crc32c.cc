#include "base/crc32c.h"

#include <array>

#include "base/bytes.h"

namespace freehold::base {

namespace {

constexpr uint32_t kPolynomial = 0x82F63B78u;  // 0x1EDC6F41 with its bits reversed

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1u) * kPolynomial);
    table[byte] = value;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kTable = make_table();

constexpr uint32_t step(uint32_t state, uint8_t byte) {
  return (state >> 8) ^ kTable[(state ^ byte) & 0xFFu];
}

/// The crc32 instruction where the compiler may use it (all of x86-64-v3), the table elsewhere.
inline uint32_t step_word(uint32_t state, uint64_t word) {
#ifdef __SSE4_2__
  return static_cast<uint32_t>(__builtin_ia32_crc32di(state, word));
#else
  for (int i = 0; i < 8; ++i) state = step(state, static_cast<uint8_t>(word >> (8 * i)));
  return state;
#endif
}

// The instruction has a latency of three cycles and a throughput of one, so three runs of kRun
// bytes go side by side and are joined: the state after run A and then B is (A moved past |B| zero
// bytes) xor (B from state 0). Moving is linear, so four tables of 256 do it.
constexpr size_t kRun = 1024;
using MoveTables = std::array<std::array<uint32_t, 256>, 4>;

constexpr MoveTables make_move_tables() {
  std::array<uint32_t, 32> basis{};
  for (size_t bit = 0; bit < 32; ++bit) {
    uint32_t state = 1u << bit;
    for (size_t i = 0; i < kRun; ++i) state = step(state, 0);
    basis[bit] = state;
  }
  MoveTables tables{};
  for (size_t part = 0; part < 4; ++part) {
    for (size_t byte = 0; byte < 256; ++byte) {
      for (size_t bit = 0; bit < 8; ++bit) {
        if ((byte >> bit) & 1u) tables[part][byte] ^= basis[8 * part + bit];
      }
    }
  }
  return tables;
}

constexpr MoveTables kMove = make_move_tables();

inline uint32_t move_past_run(uint32_t state) {
  return kMove[0][state & 0xFFu] ^ kMove[1][(state >> 8) & 0xFFu] ^
         kMove[2][(state >> 16) & 0xFFu] ^ kMove[3][state >> 24];
}

}  // namespace

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before) {
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  uint32_t state = ~before;
  while (left >= 3 * kRun) {
    uint32_t second = 0;
    uint32_t third = 0;
    for (size_t i = 0; i < kRun; i += 8) {
      state = step_word(state, load_le<uint64_t>(at + i));
      second = step_word(second, load_le<uint64_t>(at + kRun + i));
      third = step_word(third, load_le<uint64_t>(at + 2 * kRun + i));
    }
    state = move_past_run(move_past_run(state) ^ second) ^ third;
    at += 3 * kRun;
    left -= 3 * kRun;
  }
  for (; left >= 8; at += 8, left -= 8) state = step_word(state, load_le<uint64_t>(at));
  for (; left > 0; ++at, --left) state = step(state, static_cast<uint8_t>(*at));
  return ~state;
}

uint32_t crc32c_reference(std::span<const std::byte> bytes, uint32_t before) {
  uint32_t state = ~before;
  for (const std::byte byte : bytes) state = step(state, static_cast<uint8_t>(byte));
  return ~state;
}

}  // namespace freehold::base
