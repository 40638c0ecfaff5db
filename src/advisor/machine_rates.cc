#include "advisor/machine_rates.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/json.h"
#include "quant/activation.h"

namespace freehold::advisor {

namespace {

constexpr size_t kWidth = 4096;
constexpr size_t kRowsPerTask = 64;
/// More than a last-level cache that one process can count on, less than a plan's smallest budget
/// would miss.
constexpr uint64_t kWeightBytes = uint64_t{128} << 20;
/// Long passes: weights come from the cache, so a small block will do.
constexpr uint64_t kPanelBytes = uint64_t{4} << 20;
constexpr size_t kColumns = 128;
constexpr int kRounds = 3;

/// Activations of a pass: all ones, which is as quick as any.
struct Activations {
  std::vector<int8_t> q;
  std::vector<float> d, x;
  std::vector<int16_t> sums;
  quant::ActivationView view;

  explicit Activations(size_t columns)
      : q(columns * quant::column_stride(kWidth), 1),
        d(columns * kWidth / 32, 1.0f),
        x(columns * kWidth, 1.0f),
        sums(columns * kWidth / 16, 16) {
    view.columns = columns;
    view.width = kWidth;
    view.x = x.data();
    view.x_stride = kWidth;
    view.q = q.data();
    view.q_stride = quant::column_stride(kWidth);
    view.d = d.data();
    view.d_stride = kWidth / 32;
    view.sums = sums.data();
    view.sums_stride = kWidth / 16;
  }
};

/// Seconds of one multiplication of `rows` rows at `weights` with `columns` columns, the best of
/// some.
double seconds(device::WorkerPool& pool, base::Clock& clock, quant::PanelDotFn dot,
               const quant::Format& format, const std::byte* weights, size_t rows, size_t columns) {
  const Activations activations(columns);
  const size_t row_bytes = format.row_bytes(kWidth);
  const size_t tasks = rows / kRowsPerTask;
  std::vector<float> out(rows * columns);
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    const int64_t start = clock.monotonic_ns();
    pool.run(tasks, [&](size_t task, size_t) {
      const size_t first = task * kRowsPerTask;
      dot({weights + first * row_bytes, row_bytes, kRowsPerTask, activations.view,
           out.data() + first, rows});
    });
    best = std::min(best, static_cast<double>(clock.monotonic_ns() - start) * 1e-9);
  }
  return std::max(best, 1e-9);
}

}  // namespace

std::string rates_key(device::Isa isa, size_t threads, const quant::Format& format) {
  return fmt::format("{}/{}/{}", device::isa_name(isa), threads, format.name);
}

Result<MachineRates> measure_rates(device::WorkerPool& pool, device::MemoryAccount& account,
                                   base::Clock& clock, device::Isa isa,
                                   const quant::Format& format) {
  const size_t row_bytes = format.row_bytes(kWidth);
  const auto rows_of = [&](uint64_t bytes) {
    return std::max<size_t>(kRowsPerTask, bytes / row_bytes / kRowsPerTask * kRowsPerTask);
  };
  const size_t rows = rows_of(kWeightBytes);
  device::Buffer weights =
      TRY(device::Buffer::create(account, device::MemoryUse::kOther, rows * row_bytes));
  // A byte whose pairs are a small, normal binary16 number, wherever a format keeps its scales.
  std::memset(weights.data(), 0x11, weights.size());
  const quant::PanelDotFn dot = format.dot(isa);
  MachineRates rates;
  rates.key = rates_key(isa, pool.size(), format);
  rates.weight_bytes_per_second = static_cast<double>(rows * row_bytes) /
                                  seconds(pool, clock, dot, format, weights.data(), rows, 1);
  const size_t few = rows_of(kPanelBytes);
  rates.operations_per_second = 2.0 * static_cast<double>(few * kWidth * kColumns) /
                                seconds(pool, clock, dot, format, weights.data(), few, kColumns);
  return rates;
}

std::string MachineRates::to_json() const {
  std::string out;
  base::JsonWriter(out)
      .begin_object()
      .field("key", key)
      .field("weight_bytes_per_second", weight_bytes_per_second)
      .field("operations_per_second", operations_per_second)
      .field("disk_bytes_per_second", disk_bytes_per_second)
      .field("disk_is_direct", disk_is_direct)
      .end_object();
  return out;
}

Result<MachineRates> MachineRates::parse(std::string_view json) {
  const base::JsonValue root = TRY(base::JsonValue::parse(json));
  MachineRates rates;
  rates.key = root.find_string("key").value_or("");
  rates.weight_bytes_per_second = root.find_number("weight_bytes_per_second").value_or(0);
  rates.operations_per_second = root.find_number("operations_per_second").value_or(0);
  rates.disk_bytes_per_second = root.find_number("disk_bytes_per_second").value_or(0);
  rates.disk_is_direct = root.find_bool("disk_is_direct").value_or(false);
  if (!(rates.weight_bytes_per_second > 0) || !(rates.operations_per_second > 0)) {
    return Error{ErrorCode::kDamaged, "the kept rates of this machine are not numbers above zero",
                 "measure again: freehold fit MODEL --measure"};
  }
  return rates;
}

}  // namespace freehold::advisor
