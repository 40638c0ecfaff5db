// quant_bench [MEGABYTES [WIDTH [PANEL_ROWS [FORMAT]]]]: the panel dots of every format on one
// thread.
//
// Prints, for each format and instruction set that this machine has: GB/s of weights at n = 1 over
// MEGABYTES (1200 unless said otherwise: more than a last-level cache holds), time against n = 1
// for a few columns, and TOPS (2 x rows x width x n operations) for n = 8, 64 and 512. Beside them
// the rate of a plain read of the same memory by the same thread.

#include <immintrin.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "device/isa.h"
#include "quant/format.h"
#include "quant/test_panels.h"

namespace {

using namespace freehold;

struct Setup {
  size_t bytes = size_t{1200} << 20;
  size_t width = 4096;
  size_t panel_rows = 64;
  std::string only;
};

/// One column set's time in seconds for all of the rows, the best of `rounds`.
double seconds(quant::PanelDotFn dot, const quant::TestPanel& weights, size_t panel_rows,
               const quant::TestActivations& x, int rounds) {
  base::SystemClock clock;
  std::vector<float> y(x.view.columns * panel_rows);
  double best = 1e9;
  for (int round = 0; round < rounds; ++round) {
    const int64_t start = clock.monotonic_ns();
    for (size_t row = 0; row < weights.row_count; row += panel_rows) {
      const size_t rows = std::min(panel_rows, weights.row_count - row);
      dot({weights.rows() + row * weights.row_bytes, weights.row_bytes, rows, x.view, y.data(),
           panel_rows});
    }
    best = std::min(best, static_cast<double>(clock.monotonic_ns() - start) * 1e-9);
  }
  return best;
}

/// GB/s of a plain read with prefetch 1 KB ahead.
double read_rate(const std::vector<std::byte>& memory) {
  base::SystemClock clock;
  double best = 0;
  for (int round = 0; round < 3; ++round) {
    const int64_t start = clock.monotonic_ns();
    __m256i sum[4] = {};
    for (size_t at = 0; at + 128 <= memory.size(); at += 128) {
      const auto* from = reinterpret_cast<const __m256i*>(memory.data() + at);
      _mm_prefetch(memory.data() + at + 1024, _MM_HINT_T0);
      _mm_prefetch(memory.data() + at + 1088, _MM_HINT_T0);
      for (size_t i = 0; i < 4; ++i)
        sum[i] = _mm256_xor_si256(sum[i], _mm256_loadu_si256(from + i));
    }
    const int64_t taken = clock.monotonic_ns() - start;
    volatile int keep = _mm256_extract_epi32(
        _mm256_xor_si256(_mm256_xor_si256(sum[0], sum[1]), _mm256_xor_si256(sum[2], sum[3])), 0);
    (void)keep;
    best = std::max(best, static_cast<double>(memory.size()) / static_cast<double>(taken));
  }
  return best;
}

/// Random rows, made once and repeated: making a gigabyte value by value would take minutes.
quant::TestPanel big_panel(const quant::Format& format, const Setup& setup, size_t bytes) {
  base::RandomStream random(1);
  quant::TestPanel seed =
      quant::make_panel(format, 64, setup.width, quant::Fill::kPlausible, random);
  quant::TestPanel panel;
  panel.row_bytes = seed.row_bytes;
  panel.row_count = std::max<size_t>(bytes / seed.row_bytes / 64 * 64, 64);
  panel.memory.resize(panel.row_bytes * panel.row_count);
  for (size_t row = 0; row < panel.row_count; row += 64) {
    std::memcpy(panel.memory.data() + row * panel.row_bytes, seed.rows(), 64 * seed.row_bytes);
  }
  return panel;
}

void measure(const quant::Format& format, quant::PanelDotFn dot, const char* isa,
             const quant::TestPanel& big, const quant::TestPanel& small, const Setup& setup) {
  base::RandomStream random(2);
  const auto x1 = quant::make_activations(format, 1, setup.width, false, random);
  const double time1 = seconds(dot, big, setup.panel_rows, x1, 3);
  const double bytes = static_cast<double>(big.row_bytes * big.row_count);
  std::printf("%-7s %-10s %6.2f GB/s", std::string(format.name).c_str(), isa, bytes / time1 * 1e-9);
  for (const size_t columns : {2, 4, 8}) {
    const auto x = quant::make_activations(format, columns, setup.width, false, random);
    std::printf("  t(%zu) %5.2f", columns, seconds(dot, big, setup.panel_rows, x, 1) / time1);
  }
  for (const size_t columns : {8, 64, 512}) {
    const auto x = quant::make_activations(format, columns, setup.width, false, random);
    const double operations = 2.0 * static_cast<double>(small.row_count * setup.width * columns);
    std::printf("  n=%zu %5.3f TOPS", columns,
                operations / seconds(dot, small, setup.panel_rows, x, 2) * 1e-12);
  }
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Setup setup;
  if (argc > 1) setup.bytes = static_cast<size_t>(MUST(base::parse_integer(argv[1]))) << 20;
  if (argc > 2) setup.width = static_cast<size_t>(MUST(base::parse_integer(argv[2])));
  if (argc > 3) setup.panel_rows = static_cast<size_t>(MUST(base::parse_integer(argv[3])));
  if (argc > 4) setup.only = argv[4];
  const device::Isa best = device::best_isa();
  std::printf("%zu MB, width %zu, panels of %zu rows, one thread\n", setup.bytes >> 20, setup.width,
              setup.panel_rows);
  for (const quant::Format& format : quant::all_formats()) {
    if (!setup.only.empty() && format.name != setup.only) continue;
    const quant::TestPanel big = big_panel(format, setup, setup.bytes);
    const quant::TestPanel small = big_panel(format, setup, size_t{4} << 20);
    std::printf("%-7s %-10s %6.2f GB/s\n", std::string(format.name).c_str(), "read",
                read_rate(big.memory));
    if (best >= device::Isa::kAmx && format.dot_amx != nullptr) {
      measure(format, format.dot_amx, "amx", big, small, setup);
    }
    if (best >= device::Isa::kAvx512 && format.dot_avx512 != nullptr) {
      measure(format, format.dot_avx512, "avx512vnni", big, small, setup);
    }
    if (best >= device::Isa::kAvx2 && format.dot_avx2 != nullptr) {
      measure(format, format.dot_avx2, "avx2", big, small, setup);
    }
  }
  return 0;
}
