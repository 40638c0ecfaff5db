#include "quant/wide_check.h"

#include <array>
#include <atomic>
#include <bit>
#include <cmath>

#include "base/random.h"
#include "device/isa.h"

namespace freehold::quant {
namespace {

constexpr size_t kWidth = 512;
constexpr size_t kRows = 17;
constexpr size_t kColumns = 35;  // three groups of twelve, the last one overlapping
constexpr size_t kRowBytesMax = kWidth / 32 * 34;

struct Sample {
  std::array<std::byte, kRows * kRowBytesMax> rows;
  std::array<int8_t, kColumns * kWidth> q;
  std::array<int16_t, kColumns * kWidth / 16> sums;
  std::array<float, kColumns * kWidth / 32> d;
  std::array<float, kColumns * kRows> expected;
  std::array<float, kColumns * kRows> got;
};

void fill(Sample& sample) {
  base::RandomStream random(5);
  for (std::byte& byte : sample.rows) byte = static_cast<std::byte>(random.below(256));
  for (int8_t& q : sample.q) q = static_cast<int8_t>(static_cast<int>(random.below(255)) - 127);
  for (size_t i = 0; i < sample.sums.size(); ++i) {
    int sum = 0;
    for (size_t k = 0; k < 16; ++k) sum += sample.q[16 * i + k];
    sample.sums[i] = static_cast<int16_t>(sum);
  }
  for (float& d : sample.d) d = random.uniform();
}

bool same_bits(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) ||
         std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

}  // namespace

bool equals_reference(const Format& format, PanelDotFn dot) {
  Sample sample;
  fill(sample);
  PanelDot task;
  task.rows = sample.rows.data();
  task.row_bytes = format.row_bytes(kWidth);
  task.row_count = kRows;
  task.x.columns = kColumns;
  task.x.width = kWidth;
  task.x.q = sample.q.data();
  task.x.q_stride = kWidth;
  task.x.d = sample.d.data();
  task.x.d_stride = kWidth / 32;
  task.x.sums = sample.sums.data();
  task.x.sums_stride = kWidth / 16;
  task.y_stride = kRows;
  task.y = sample.expected.data();
  format.dot_ref(task);
  task.y = sample.got.data();
  dot(task);
  for (size_t i = 0; i < sample.got.size(); ++i) {
    if (!same_bits(sample.expected[i], sample.got[i])) return false;
  }
  return true;
}

bool wide_path_is_exact(const Format& format) {
  if (device::best_isa() < device::Isa::kAmx) return false;
  enum : uint8_t { kUnknown, kExact, kWrong };
  static std::array<std::atomic<uint8_t>, static_cast<size_t>(FormatId::kCount)> known{};
  std::atomic<uint8_t>& state = known[static_cast<size_t>(format.id)];
  uint8_t answer = state.load(std::memory_order_relaxed);
  if (answer == kUnknown) {
    answer = equals_reference(format, format.dot_amx) ? kExact : kWrong;
    state.store(answer, std::memory_order_relaxed);
  }
  return answer == kExact;
}

}  // namespace freehold::quant
