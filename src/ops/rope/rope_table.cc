#include "ops/rope/rope_table.h"

#include <string>
#include <utility>

#include "base/text.h"
#include "ops/math/functions64.h"

namespace freehold::ops {
namespace {

/// Positive, and neither NaN nor infinite.
bool is_positive(double value) { return value > 0 && value < 0x1p1000; }

Error nonsense(const std::string& name, double value) {
  return {ErrorCode::kDamaged, "rope: " + name + " is " + base::shortest(value),
          "The model's file is damaged or uses a rule that this build does not know."};
}

Status check_factors(const char* name, const std::vector<float>& factors, size_t pairs) {
  if (factors.size() != pairs) {
    return Error{ErrorCode::kDamaged,
                 "rope: " + std::string(name) + " has " + std::to_string(factors.size()) +
                     " values, the heads have " + std::to_string(pairs) + " pairs",
                 "The model's file is damaged."};
  }
  for (const float factor : factors) {
    if (!is_positive(factor)) return nonsense("a value of " + std::string(name), factor);
  }
  return {};
}

Status check_numbers(const RopeScaling& scaling) {
  if (scaling.rotary_dim % 2 != 0) return nonsense("the dimension count", scaling.rotary_dim);
  if (!is_positive(scaling.freq_base) || scaling.freq_base <= 1) {
    return nonsense("freq_base", scaling.freq_base);
  }
  if (!is_positive(scaling.factor)) return nonsense("scaling.factor", scaling.factor);
  if (!is_positive(scaling.attention_factor)) {
    return nonsense("scaling.attn_factor", scaling.attention_factor);
  }
  const RopeScalingKind kind = scaling.kind;
  if (kind == RopeScalingKind::kNone || kind == RopeScalingKind::kLinear) return {};
  if (!is_positive(scaling.original_context) || scaling.original_context < 2) {
    return nonsense("scaling.original_context_length", scaling.original_context);
  }
  if (kind == RopeScalingKind::kYarn) {
    if (!is_positive(scaling.beta_fast)) return nonsense("yarn_beta_fast", scaling.beta_fast);
    if (!is_positive(scaling.beta_slow)) return nonsense("yarn_beta_slow", scaling.beta_slow);
    if (!(scaling.extrapolation >= 0 && scaling.extrapolation <= 1)) {
      return nonsense("yarn_ext_factor", scaling.extrapolation);
    }
    if (!(scaling.log_multiplier >= 0 && scaling.log_multiplier <= 100)) {
      return nonsense("yarn_log_multiplier", scaling.log_multiplier);
    }
  }
  if (kind == RopeScalingKind::kLlama3) {
    if (!is_positive(scaling.low_frequency_factor)) {
      return nonsense("low_freq_factor", scaling.low_frequency_factor);
    }
    if (!is_positive(scaling.high_frequency_factor) ||
        scaling.high_frequency_factor <= scaling.low_frequency_factor) {
      return nonsense("high_freq_factor", scaling.high_frequency_factor);
    }
  }
  return {};
}

/// Which per-pair divisors a scaling uses; nullptr for none.
const std::vector<float>* divisors(const RopeScaling& scaling) {
  if (scaling.kind == RopeScalingKind::kLongRope) {
    return scaling.context > scaling.original_context ? &scaling.long_factors
                                                      : &scaling.short_factors;
  }
  return scaling.factors.empty() ? nullptr : &scaling.factors;
}

/// 0.1 * multiplier * ln(factor) + 1, YaRN's magnitude; 1 where nothing is stretched.
double yarn_magnitude(double factor, double multiplier) {
  if (factor <= 1) return 1;
  return (0.1 * multiplier) * (log2_f64(factor) * kLn2) + 1.0;
}

/// What YaRN itself multiplies cosines and sines by; nothing where it only interpolates.
double yarn_own_magnitude(const RopeScaling& scaling) {
  if (scaling.extrapolation == 0) return 1;
  const double own = yarn_magnitude(scaling.factor, 1);
  if (scaling.log_multiplier == 0) return own;
  return own / yarn_magnitude(scaling.factor, scaling.log_multiplier);
}

/// The pair index at which a wave turns `rotations` times within the original context.
double yarn_pair_index(const RopeScaling& scaling, double rotations) {
  const double dim = scaling.rotary_dim;
  return (dim * log2_f64(scaling.original_context / (rotations * kTwoPi))) /
         (2.0 * log2_f64(scaling.freq_base));
}

void scale_yarn(const RopeScaling& scaling, std::vector<double>& frequencies) {
  const double last = static_cast<double>(scaling.rotary_dim) - 1.0;
  double low = floor_f64(yarn_pair_index(scaling, scaling.beta_fast));
  double high = -floor_f64(-yarn_pair_index(scaling, scaling.beta_slow));
  low = low < 0 ? 0 : low;
  high = high > last ? last : high;
  double span = high - low;
  span = span < 0.001 ? 0.001 : span;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    double ramp = (static_cast<double>(i) - low) / span;
    ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
    const double keep = (1.0 - ramp) * scaling.extrapolation;
    const double stretched = frequencies[i] / scaling.factor;
    frequencies[i] = stretched * (1.0 - keep) + frequencies[i] * keep;
  }
}

void scale_llama3(const RopeScaling& scaling, std::vector<double>& frequencies) {
  const double low = scaling.low_frequency_factor;
  const double high = scaling.high_frequency_factor;
  for (double& frequency : frequencies) {
    // How often the wave turns within the original context.
    const double turns = scaling.original_context / (kTwoPi / frequency);
    if (turns > high) continue;
    const double stretched = frequency / scaling.factor;
    if (turns < low) {
      frequency = stretched;
      continue;
    }
    const double smooth = (turns - low) / (high - low);
    frequency = (1.0 - smooth) * stretched + smooth * frequency;
  }
}

}  // namespace

double longrope_attention_factor(double factor, double original_context) {
  if (!(factor > 1) || !(original_context > 1)) return 1;
  return sqrt_f64(1.0 + log2_f64(factor) / log2_f64(original_context));
}

float attention_temperature(uint32_t position, double scale, uint32_t length) {
  const double contexts = 1.0 + static_cast<double>(position / length);
  return static_cast<float>(1.0 + scale * (log2_f64(contexts) * kLn2));
}

Result<RopeTable> RopeTable::create(const RopeScaling& scaling) {
  TRY(check_numbers(scaling));
  const size_t pairs = scaling.rotary_dim / 2;
  const std::vector<float>* const factors = divisors(scaling);
  if (factors != nullptr) TRY(check_factors("the list of factors", *factors, pairs));

  std::vector<double> frequencies(pairs);
  const double log2_base = log2_f64(scaling.freq_base);
  for (size_t i = 0; i < pairs; ++i) {
    const double part = static_cast<double>(2 * i) / static_cast<double>(scaling.rotary_dim);
    frequencies[i] = exp2_f64(-(part * log2_base));
    if (factors != nullptr) frequencies[i] = frequencies[i] / static_cast<double>((*factors)[i]);
  }
  double magnitude = scaling.attention_factor;
  if (scaling.kind == RopeScalingKind::kLinear) {
    for (double& frequency : frequencies) frequency = frequency / scaling.factor;
  } else if (scaling.kind == RopeScalingKind::kYarn) {
    scale_yarn(scaling, frequencies);
    magnitude = magnitude * yarn_own_magnitude(scaling);
  } else if (scaling.kind == RopeScalingKind::kLlama3) {
    scale_llama3(scaling, frequencies);
  }
  for (const double frequency : frequencies) {
    if (!(frequency >= 0 && frequency <= kMaxInverseFrequency)) {
      return nonsense("an inverse frequency", frequency);
    }
  }
  return RopeTable(std::move(frequencies), magnitude);
}

void RopeTable::fill_row(uint32_t position, float* cosine, float* sine) const {
  for (size_t i = 0; i < inverse_frequencies_.size(); ++i) {
    const double angle = static_cast<double>(position) * inverse_frequencies_[i];
    const SineCosine turned = sine_cosine_f64(angle);
    cosine[i] = static_cast<float>(turned.cosine * magnitude_);
    sine[i] = static_cast<float>(turned.sine * magnitude_);
  }
}

}  // namespace freehold::ops
