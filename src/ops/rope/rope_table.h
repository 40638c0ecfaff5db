#pragma once
// The angles of rotary position embedding, made in binary64 and rounded once (docs/NUMERICS.md,
// section 4): inverse frequencies under every scaling rule of the field, and rows of cosines and
// sines for positions. Not a cache: callers own the rows they ask for. A RopeTable is a value that
// never changes; any thread.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace freehold::ops {

enum class RopeScalingKind {
  kNone,
  kLinear,   ///< Positions divided by `factor` (position interpolation, Chen et al., 2023).
  kYarn,     ///< Low frequencies interpolated, high ones kept (Peng et al., 2023).
  kLlama3,   ///< By wavelength against the original context, as Llama 3.1 does.
  kLongRope  ///< A factor for each pair, short or long set (Ding et al., 2024).
};

/// What a model's metadata says about its angles. Defaults are the field's.
struct RopeScaling {
  RopeScalingKind kind = RopeScalingKind::kNone;
  uint32_t rotary_dim = 0;      // even
  double freq_base = 10000;     // rope.freq_base
  double factor = 1;            // rope.scaling.factor: linear, yarn, llama3
  double original_context = 0;  // rope.scaling.original_context_length: yarn, llama3, longrope
  /// rope.scaling.attn_factor: multiplies cosines and sines, beside YaRN's own magnitude.
  double attention_factor = 1;

  // YaRN.
  double beta_fast = 32;
  double beta_slow = 1;
  double extrapolation = 1;   // rope.scaling.yarn_ext_factor: share of the kept frequencies
  double log_multiplier = 0;  // rope.scaling.yarn_log_multiplier (mscale_all_dim); 0: none

  // Llama 3.
  double low_frequency_factor = 1;
  double high_frequency_factor = 4;

  /// Divisors, one for each pair, or empty. `factors` (rope_freqs.weight) joins kNone, kLinear and
  /// kYarn. kLongRope takes `long_factors` where `context`, the length that the run is planned for,
  /// exceeds original_context, and `short_factors` otherwise: one set for a whole run, so that a
  /// prefix computed early keeps its bits.
  std::vector<float> factors;
  std::vector<float> short_factors;
  std::vector<float> long_factors;
  double context = 0;
};

/// The attention factor of a LongRoPE model whose file does not give one: sqrt(1 + ln(factor) /
/// ln(original_context)), 1 where factor <= 1. factor: extended over original context.
double longrope_attention_factor(double factor, double original_context);

/// What a query at `position` is multiplied by where the model's attention has a temperature:
/// 1 + scale * ln(1 + floor(position / length)) (docs/NUMERICS.md, section 8). length > 0.
float attention_temperature(uint32_t position, double scale, uint32_t length);

class RopeTable {
 public:
  /// kDamaged, naming the value, where the scaling makes no sense (an odd dimension, a factor that
  /// is not positive and finite, a list of factors of the wrong length).
  static Result<RopeTable> create(const RopeScaling& scaling);

  /// [rotary_dim / 2] radians per position, each from 0 to kMaxInverseFrequency.
  std::span<const double> inverse_frequencies() const { return inverse_frequencies_; }
  /// What cosines and sines are multiplied by.
  double magnitude() const { return magnitude_; }
  size_t pairs() const { return inverse_frequencies_.size(); }

  /// cosine[i] = f32(cos(a) * magnitude), sine[i] likewise, a = double(position) *
  /// inverse_frequency[i], for i < pairs().
  void fill_row(uint32_t position, float* cosine, float* sine) const;

  static constexpr double kMaxInverseFrequency = 256;

 private:
  RopeTable(std::vector<double> inverse_frequencies, double magnitude)
      : inverse_frequencies_(std::move(inverse_frequencies)), magnitude_(magnitude) {}
  std::vector<double> inverse_frequencies_;
  double magnitude_ = 1;
};

}  // namespace freehold::ops
