// Sums run in order of the values, products from the left: the bytes depend on it.

#include <array>

#include "base/check.h"
#include "quant/encoders.h"

namespace freehold::quant {

namespace {

/// Below this a sub-block counts as zero.
constexpr float kZero = 1e-15f;
constexpr size_t kSubValuesMax = 32;

/// Sums of a weighted fit of values by levels.
struct Fit {
  float values_levels = 0.0f;
  float levels_levels = 0.0f;

  float scale() const { return levels_levels > 0.0f ? values_levels / levels_levels : 0.0f; }
};

Fit fit_of(std::span<const float> values, float inverse_scale, int max) {
  Fit fit;
  for (const float value : values) {
    const auto level = static_cast<float>(nearest(inverse_scale * value, -max, max - 1));
    const float weight = value * value;
    fit.values_levels += weight * value * level;
    fit.levels_levels += weight * level * level;
  }
  return fit;
}

void take_levels(std::span<const float> values, float inverse_scale, int max, uint8_t* levels) {
  for (const float value : values) {
    *levels++ = static_cast<uint8_t>(max + nearest(inverse_scale * value, -max, max - 1));
  }
}

}  // namespace

float search_scale(std::span<const float> values, int max, uint8_t* levels) {
  const float peak = farthest(values);
  if (std::fabs(peak) < kZero) {
    std::fill_n(levels, values.size(), uint8_t{0});
    return 0.0f;
  }
  float inverse_scale = static_cast<float>(-max) / peak;
  Fit fit = fit_of(values, inverse_scale, max);
  take_levels(values, inverse_scale, max, levels);
  float scale = fit.scale();
  float best = scale * fit.values_levels;
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    inverse_scale = -(static_cast<float>(max) + 0.1f * static_cast<float>(step)) / peak;
    fit = fit_of(values, inverse_scale, max);
    if (!(fit.levels_levels > 0.0f)) continue;
    if (!(fit.values_levels * fit.values_levels > best * fit.levels_levels)) continue;
    take_levels(values, inverse_scale, max, levels);
    scale = fit.scale();
    best = scale * fit.values_levels;
  }
  return scale;
}

namespace {

/// Moves the level of one value where that makes the fit better; whether it did.
bool improve_level(float value, int max, int& level, Fit& fit) {
  const float weight = value * value;
  const auto before = static_cast<float>(level);
  Fit without{fit.values_levels - weight * value * before,
              fit.levels_levels - weight * before * before};
  if (!(without.values_levels > 0.0f)) return false;
  const int moved = nearest(value * without.levels_levels / without.values_levels, -max, max - 1);
  if (moved == level) return false;
  const auto now = static_cast<float>(moved);
  without.values_levels += weight * value * now;
  without.levels_levels += weight * now * now;
  if (!(without.levels_levels > 0.0f)) return false;
  if (!(without.values_levels * without.values_levels * fit.levels_levels >
        fit.values_levels * fit.values_levels * without.levels_levels)) {
    return false;
  }
  level = moved;
  fit = without;
  return true;
}

}  // namespace

float search_scale_by_levels(std::span<const float> values, int max, uint8_t* levels) {
  constexpr int kRoundsMax = 5;
  CHECK(values.size() <= kSubValuesMax);
  const float peak = farthest(values);
  if (std::fabs(peak) < kZero) {
    std::fill_n(levels, values.size(), uint8_t{0});
    return 0.0f;
  }
  const float inverse_scale = static_cast<float>(-max) / peak;
  std::array<int, kSubValuesMax> level{};
  for (size_t i = 0; i < values.size(); ++i) {
    level[i] = nearest(inverse_scale * values[i], -max, max - 1);
  }
  Fit fit = fit_of(values, inverse_scale, max);
  bool moved = true;
  for (int round = 0; round < kRoundsMax && moved; ++round) {
    moved = false;
    for (size_t i = 0; i < values.size(); ++i) {
      if (improve_level(values[i], max, level[i], fit)) moved = true;
    }
  }
  for (size_t i = 0; i < values.size(); ++i) levels[i] = static_cast<uint8_t>(level[i] + max);
  return fit.scale();
}

namespace {

/// Weighted sums that do not depend on the levels, and the range.
struct Spread {
  float least;
  float most;
  float weights;
  float weighted;
};

Spread spread_of(std::span<const float> values, std::span<const float> weights) {
  Spread spread{values[0], values[0], weights[0], weights[0] * values[0]};
  for (size_t i = 1; i < values.size(); ++i) {
    spread.least = std::min(spread.least, values[i]);
    spread.most = std::max(spread.most, values[i]);
    spread.weights += weights[i];
    spread.weighted += weights[i] * values[i];
  }
  spread.least = std::min(spread.least, 0.0f);
  return spread;
}

void levels_of(std::span<const float> values, float inverse_scale, float least, int max,
               uint8_t* levels) {
  for (const float value : values) {
    *levels++ = static_cast<uint8_t>(nearest(inverse_scale * (value - least), 0, max));
  }
}

float error_of(std::span<const float> values, std::span<const float> weights, const uint8_t* levels,
               float scale, float least, bool absolute) {
  float error = 0.0f;
  for (size_t i = 0; i < values.size(); ++i) {
    const float difference = scale * static_cast<float>(levels[i]) + least - values[i];
    error += weights[i] * (absolute ? std::fabs(difference) : difference * difference);
  }
  return error;
}

/// The scale and the least value that fit these levels best, no least value above 0; nothing where
/// all levels are the same.
bool best_line(std::span<const float> values, std::span<const float> weights, const uint8_t* levels,
               const Spread& spread, float& scale, float& least) {
  float sum = 0.0f;
  float squares = 0.0f;
  float products = 0.0f;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto level = static_cast<float>(levels[i]);
    sum += weights[i] * level;
    squares += weights[i] * level * level;
    products += weights[i] * level * values[i];
  }
  const float determinant = spread.weights * squares - sum * sum;
  if (!(determinant > 0.0f)) return false;
  scale = (spread.weights * products - spread.weighted * sum) / determinant;
  least = (squares * spread.weighted - sum * products) / determinant;
  if (least > 0.0f) {
    least = 0.0f;
    scale = products / squares;
  }
  return true;
}

}  // namespace

ScaleAndMinimum search_scale_and_minimum(std::span<const float> values,
                                         std::span<const float> weights, int max, ScaleTries tries,
                                         bool absolute_errors, uint8_t* levels) {
  CHECK(values.size() <= kSubValuesMax);
  const Spread spread = spread_of(values, weights);
  float least = spread.least;
  if (spread.most == least) {
    std::fill_n(levels, values.size(), uint8_t{0});
    return {0.0f, -least};
  }
  const float range = spread.most - least;
  const float inverse_scale = static_cast<float>(max) / range;
  float scale = 1.0f / inverse_scale;
  levels_of(values, inverse_scale, spread.least, max, levels);
  float best = error_of(values, weights, levels, scale, least, absolute_errors);
  for (int i = 0; i <= tries.last; ++i) {
    // Each try starts from the least value of the best so far, as llama.cpp does.
    const float tried =
        (tries.first + tries.step * static_cast<float>(i) + static_cast<float>(max)) /
        (spread.most - least);
    std::array<uint8_t, kSubValuesMax> other;
    levels_of(values, tried, least, max, other.data());
    float other_scale = 0.0f;
    float other_least = 0.0f;
    if (!best_line(values, weights, other.data(), spread, other_scale, other_least)) continue;
    const float error =
        error_of(values, weights, other.data(), other_scale, other_least, absolute_errors);
    if (!(error < best)) continue;
    std::copy_n(other.begin(), values.size(), levels);
    best = error;
    scale = other_scale;
    least = other_least;
  }
  return {scale, -least};
}

namespace {

/// The inverse of unpack_scales_6bit: four pairs whole, the low four bits of the others behind them
/// and their high two bits on top of the first four.
void pack_scales_6bit(const std::array<uint8_t, 8>& scales, const std::array<uint8_t, 8>& minimums,
                      uint8_t* packed) {
  for (size_t j = 0; j < 4; ++j) {
    packed[j] = static_cast<uint8_t>(scales[j] | scales[j + 4] >> 4 << 6);
    packed[j + 4] = static_cast<uint8_t>(minimums[j] | minimums[j + 4] >> 4 << 6);
    packed[j + 8] = static_cast<uint8_t>((scales[j + 4] & 15) | (minimums[j + 4] & 15) << 4);
  }
}

}  // namespace

void encode_eight_of_32(std::span<const float, 256> values, int max, ScaleTries tries,
                        uint8_t* bytes, uint8_t* levels) {
  std::array<ScaleAndMinimum, 8> found;
  ScaleAndMinimum most;
  for (size_t j = 0; j < 8; ++j) {
    const auto part = std::span<const float>(values).subspan(32 * j, 32);
    float squares = 0.0f;
    for (const float value : part) squares += value * value;
    const float mean = std::sqrt(squares / 32.0f);
    std::array<float, 32> weights;
    for (size_t i = 0; i < 32; ++i) weights[i] = mean + std::fabs(part[i]);
    found[j] = search_scale_and_minimum(part, weights, max, tries, false, levels + 32 * j);
    most.scale = std::max(most.scale, found[j].scale);
    most.minimum = std::max(most.minimum, found[j].minimum);
  }
  const float per_scale = most.scale > 0.0f ? 63.0f / most.scale : 0.0f;
  const float per_minimum = most.minimum > 0.0f ? 63.0f / most.minimum : 0.0f;
  std::array<uint8_t, 8> scales;
  std::array<uint8_t, 8> minimums;
  for (size_t j = 0; j < 8; ++j) {
    scales[j] = static_cast<uint8_t>(nearest(per_scale * found[j].scale, 0, 63));
    minimums[j] = static_cast<uint8_t>(nearest(per_minimum * found[j].minimum, 0, 63));
  }
  store_f16(bytes, most.scale / 63.0f);
  store_f16(bytes + 2, most.minimum / 63.0f);
  pack_scales_6bit(scales, minimums, bytes + 4);
  for (size_t j = 0; j < 8; ++j) {
    const float d = through_f16(most.scale / 63.0f) * static_cast<float>(scales[j]);
    if (d == 0.0f) continue;
    const float minimum = through_f16(most.minimum / 63.0f) * static_cast<float>(minimums[j]);
    for (size_t i = 32 * j; i < 32 * (j + 1); ++i) {
      levels[i] = static_cast<uint8_t>(nearest((values[i] + minimum) / d, 0, max));
    }
  }
}

}  // namespace freehold::quant
