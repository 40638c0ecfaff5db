#include "runtime/sampler/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/random.h"
#include "ops/math/functions.h"
#include "ops/math/lanes.h"
#include "ops/softmax_sum/softmax_sum.h"

namespace freehold::runtime {

namespace {

/// Purpose word of the generator's counter for choosing a token (docs/NUMERICS.md, section 6).
constexpr uint32_t kPurposeToken = 0;

Status in_range(const char* option, float value, float low, float high) {
  if (std::isfinite(value) && value >= low && value <= high) return {};
  return Error{ErrorCode::kUsage,
               fmt::format("{} is {}; it goes from {} to {}", option, value, low, high),
               {}};
}

/// Below it, logits of a few tens would leave the range of f32 when they are divided.
constexpr float kTemperatureMin = 1e-6f;

/// Penalties, biases and the temperature may push a logit out of range; it stays the largest or the
/// smallest there is (docs/NUMERICS.md, section 6).
float in_f32_range(float value) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  return std::clamp(value, -kLargest, kLargest);
}

std::span<const TokenId> last(std::span<const TokenId> history, size_t count) {
  return history.last(std::min(history.size(), count));
}

}  // namespace

Status check_sampling(const SamplingOptions& options, size_t vocabulary) {
  TRY(in_range("--temperature", options.temperature, 0, 1000));
  if (options.temperature > 0 && options.temperature < kTemperatureMin) {
    return Error{ErrorCode::kUsage,
                 fmt::format("--temperature is {}, too small to divide by", options.temperature),
                 "0 takes the likeliest token"};
  }
  TRY(in_range("--top-p", options.top_p, 0, 1));
  TRY(in_range("--min-p", options.min_p, 0, 1));
  TRY(in_range("--typical", options.typical, 0, 1));
  TRY(in_range("--repeat-penalty", options.repeat_penalty, 1e-3f, 1000));
  TRY(in_range("--frequency-penalty", options.frequency_penalty, -100, 100));
  TRY(in_range("--presence-penalty", options.presence_penalty, -100, 100));
  TRY(in_range("--dry-multiplier", options.dry.multiplier, 0, 100));
  TRY(in_range("--dry-base", options.dry.base, 1, 100));
  for (const auto& [token, bias] : options.logit_bias) {
    TRY(in_range("--logit-bias", bias, -1e6f, 1e6f));
    if (token < 0 || static_cast<size_t>(token) >= vocabulary) {
      return Error{ErrorCode::kUsage,
                   fmt::format("--logit-bias names token {}, the model has {}", token, vocabulary),
                   {}};
    }
  }
  return {};
}

Sampler::Sampler(SamplingOptions options, device::Isa isa)
    : options_(std::move(options)), ops_(ops::op_table(isa)) {
  std::sort(options_.dry.breakers.begin(), options_.dry.breakers.end());
}

TokenId Sampler::choose(std::span<const float> logits, std::span<const TokenId> history,
                        uint64_t position, uint32_t choice, std::span<const uint64_t> allowed) {
  const base::PhiloxBlock word =
      base::philox4x32_10({static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32),
                           choice, kPurposeToken},
                          options_.seed);
  return choose_by_word(logits, history, word[0], allowed);
}

TokenId Sampler::choose_by_word(std::span<const float> logits, std::span<const TokenId> history,
                                uint32_t word, std::span<const uint64_t> allowed) {
  CHECK(!logits.empty());
  values_.assign(logits.begin(), logits.end());
  apply_penalties(history);
  apply_dry(history);
  for (const auto& [token, bias] : options_.logit_bias) values_[static_cast<size_t>(token)] += bias;
  if (!allowed.empty()) forbid(allowed);
  if (options_.temperature == 0) {
    // max_element takes the first of equals: the lowest id.
    return static_cast<TokenId>(std::max_element(values_.begin(), values_.end()) - values_.begin());
  }
  for (float& value : values_) {
    if (value != -HUGE_VALF) value = in_f32_range(value / options_.temperature);
  }
  start_candidates();
  keep_typical();
  keep_top_p();
  keep_min_p();
  weigh();
  return pick(word);
}

void Sampler::apply_penalties(std::span<const TokenId> history) {
  const bool off = options_.repeat_penalty == 1 && options_.frequency_penalty == 0 &&
                   options_.presence_penalty == 0;
  if (off) return;
  counts_.resize(values_.size(), 0);
  const auto window = last(history, options_.penalty_last_tokens);
  for (const TokenId token : window) {
    if (token >= 0 && static_cast<size_t>(token) < counts_.size())
      ++counts_[static_cast<size_t>(token)];
  }
  for (const TokenId token : window) {
    if (token < 0 || static_cast<size_t>(token) >= counts_.size()) continue;
    const auto index = static_cast<size_t>(token);
    if (counts_[index] == 0) continue;
    float& value = values_[index];
    // Keskar et al. (2019), CTRL: a positive logit is divided, a negative one multiplied.
    value = value > 0 ? value / options_.repeat_penalty : value * options_.repeat_penalty;
    value = value - static_cast<float>(counts_[index]) * options_.frequency_penalty;
    value = value - options_.presence_penalty;
    counts_[index] = 0;
  }
}

void Sampler::apply_dry(std::span<const TokenId> history) {
  const DryOptions& dry = options_.dry;
  if (dry.multiplier == 0 || history.size() < 2) return;
  if (dry.last_tokens != 0) history = last(history, dry.last_tokens);
  const size_t size = history.size();
  const auto is_breaker = [&dry](TokenId token) {
    return std::binary_search(dry.breakers.begin(), dry.breakers.end(), token);
  };
  // match_[i]: length of the longest common suffix of history[0..i) and history, by the Z function
  // of the reversed sequence: linear time however repetitive the text is.
  match_.assign(size, 0);
  const auto reversed = [&](size_t index) { return history[size - 1 - index]; };
  size_t left = 0;
  size_t right = 0;
  for (size_t i = 1; i < size; ++i) {
    uint32_t length = i < right ? std::min(static_cast<uint32_t>(right - i), match_[i - left]) : 0;
    while (i + length < size && reversed(length) == reversed(i + length) &&
           !is_breaker(reversed(length))) {
      ++length;
    }
    match_[i] = length;
    if (i + length > right) {
      left = i;
      right = i + length;
    }
  }
  counts_.resize(values_.size(), 0);
  for (size_t i = 1; i < size; ++i) {
    const TokenId next = reversed(i - 1);  // what followed the earlier occurrence
    if (next < 0 || static_cast<size_t>(next) >= values_.size() || is_breaker(next)) continue;
    uint32_t& longest = counts_[static_cast<size_t>(next)];
    longest = std::max(longest, match_[i]);
  }
  for (size_t i = 1; i < size; ++i) {
    const TokenId next = reversed(i - 1);
    if (next < 0 || static_cast<size_t>(next) >= values_.size()) continue;
    uint32_t& longest = counts_[static_cast<size_t>(next)];
    if (longest >= dry.allowed_length && longest > 0) {
      float penalty = dry.multiplier;
      // Past 2^7 steps any base above 1.1 has left the range of logits; the loop stays bounded.
      const uint32_t steps = std::min(longest - dry.allowed_length, 128u);
      for (uint32_t step = 0; step < steps; ++step) penalty = penalty * dry.base;
      values_[static_cast<size_t>(next)] -= std::min(penalty, 1e30f);
    }
    longest = 0;
  }
}

// A forbidden token gets -infinity, which no penalty or bias gives: start_candidates() leaves it
// out.
void Sampler::forbid(std::span<const uint64_t> allowed) {
  // Rows of a padded vocabulary beyond the mask stand for no token.
  const size_t covered = std::min(values_.size(), allowed.size() * 64);
  for (size_t i = 0; i < covered; ++i) {
    if ((allowed[i / 64] >> (i % 64) & 1) == 0) values_[i] = -HUGE_VALF;
  }
  std::fill(values_.begin() + static_cast<std::ptrdiff_t>(covered), values_.end(), -HUGE_VALF);
}

// One pass with a rising floor: once some multiple of top_k has gathered, only what beats the k-th
// best so far can matter. Ids come in order, so that an equal of that one is a later id and loses.
void Sampler::start_candidates() {
  constexpr size_t kGathered = 4;  // times top_k between two selections
  const size_t wanted =
      options_.top_k == 0 ? values_.size() : std::min<size_t>(options_.top_k, values_.size());
  candidates_.clear();
  candidates_.reserve(wanted < values_.size() ? std::min(values_.size(), kGathered * wanted)
                                              : values_.size());
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  const auto select = [&] {
    std::nth_element(candidates_.begin(),
                     candidates_.begin() + static_cast<std::ptrdiff_t>(wanted) - 1,
                     candidates_.end(), better);
    candidates_.resize(wanted);
    return candidates_.back().logit;
  };
  float floor = -HUGE_VALF;
  for (size_t i = 0; i < values_.size(); ++i) {
    if (!(values_[i] > floor)) continue;
    candidates_.push_back({static_cast<TokenId>(i), values_[i]});
    if (wanted < values_.size() && candidates_.size() == kGathered * wanted) floor = select();
  }
  if (candidates_.size() > wanted) floor = select();
  if (floor == -HUGE_VALF) return;  // nothing was selected: ids are in order
  std::sort(candidates_.begin(), candidates_.end(),
            [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
}

void Sampler::weigh() {
  weights_.resize(candidates_.size());
  for (size_t i = 0; i < candidates_.size(); ++i) weights_[i] = candidates_[i].logit;
  float sum = 0;  // by lanes of the rank; the profile's lanes go by id, and typical makes its own
  ops_.softmax_sum({weights_.data(), weights_.size(), weights_.data(), &maximum_, &sum});
  total_ = 0;
  for (const float weight : weights_) total_ += static_cast<double>(weight);
}

// Keeps the candidates that order_ names first, and puts them back into ascending id.
void Sampler::keep(size_t count) {
  std::sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(count));
  for (size_t i = 0; i < count; ++i) candidates_[i] = candidates_[order_[i]];
  candidates_.resize(count);
}

// Meister et al. (2023), locally typical sampling: nearest to the entropy first.
void Sampler::keep_typical() {
  if (options_.typical >= 1) return;
  weigh();
  const size_t count = candidates_.size();
  const auto lane_of = [this](size_t i) {
    return static_cast<size_t>(candidates_[i].id) % ops::kLanes;
  };
  ops::Lanes sums = {};
  for (size_t i = 0; i < count; ++i) sums.value[lane_of(i)] += weights_[i];
  const float sum = ops::fold_lanes(sums);
  const float log_sum = ops::log_f32(sum);
  ops::Lanes entropies = {};
  keys_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    keys_[i] = log_sum - (candidates_[i].logit - maximum_);
    float& lane = entropies.value[lane_of(i)];
    lane = std::fma(weights_[i] / sum, keys_[i], lane);
  }
  const float entropy = ops::fold_lanes(entropies);
  for (float& key : keys_) key = std::fabs(key - entropy);
  order_.resize(count);
  std::iota(order_.begin(), order_.end(), 0u);
  std::sort(order_.begin(), order_.end(), [this](uint32_t a, uint32_t b) {
    return keys_[a] != keys_[b] ? keys_[a] < keys_[b] : a < b;
  });
  const double wanted = static_cast<double>(options_.typical) * total_;
  double cumulative = 0;
  size_t kept = 0;
  while (kept < count) {
    cumulative += static_cast<double>(weights_[order_[kept++]]);
    if (cumulative >= wanted) break;
  }
  keep(kept);
}

void Sampler::keep_top_p() {
  if (options_.top_p >= 1) return;
  weigh();
  order_.resize(candidates_.size());
  std::iota(order_.begin(), order_.end(), 0u);
  // A heap gives the best first and is read only as far as it is needed; what is taken gathers at
  // its end, the best last.
  const auto worse = [this](uint32_t a, uint32_t b) {
    const float left = candidates_[a].logit;
    const float right = candidates_[b].logit;
    return left != right ? left < right : a > b;
  };
  std::make_heap(order_.begin(), order_.end(), worse);
  taken_.clear();
  const double wanted = static_cast<double>(options_.top_p) * total_;
  double cumulative = 0;
  for (auto end = order_.end(); end != order_.begin(); --end) {
    std::pop_heap(order_.begin(), end, worse);
    taken_.push_back(*(end - 1));
    cumulative += static_cast<double>(weights_[taken_.back()]);
    if (cumulative >= wanted) break;
  }
  order_.swap(taken_);
  keep(order_.size());
}

void Sampler::keep_min_p() {
  if (options_.min_p <= 0) return;
  weigh();
  // The best candidate weighs exactly 1, so the bound needs no sum.
  order_.clear();
  for (size_t i = 0; i < candidates_.size(); ++i) {
    if (weights_[i] >= options_.min_p) order_.push_back(static_cast<uint32_t>(i));
  }
  keep(order_.size());
}

TokenId Sampler::pick(uint32_t word) const {
  const float uniform = static_cast<float>(word >> 8) * 0x1p-24f;
  const double threshold = static_cast<double>(uniform) * total_;
  double cumulative = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    cumulative += static_cast<double>(weights_[i]);
    if (cumulative > threshold) return candidates_[i].id;
  }
  CHECK(!candidates_.empty());  // the grammar's mask leaves something
  return candidates_.back().id;
}

}  // namespace freehold::runtime
