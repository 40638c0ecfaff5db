#include "runtime/sampler/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <map>
#include <numeric>
#include <sstream>

#include "base/clock.h"
#include "base/random.h"
#include "runtime/sampler/stop_strings.h"

namespace freehold::runtime {
namespace {

SamplingOptions plain() {
  SamplingOptions options;
  options.temperature = 1;
  options.top_k = 0;
  options.top_p = 1;
  options.min_p = 0;
  return options;
}

std::vector<float> random_logits(size_t count, uint64_t seed) {
  base::RandomStream random(seed);
  std::vector<float> logits(count);
  for (float& logit : logits) logit = random.uniform() * 12 - 6;
  return logits;
}

/// How often each token is drawn over many positions.
std::map<TokenId, int> draw(const SamplingOptions& options, const std::vector<float>& logits,
                            int draws, const std::vector<TokenId>& history = {}) {
  Sampler sampler(options, device::best_isa());
  std::map<TokenId, int> counts;
  for (int i = 0; i < draws; ++i) {
    ++counts[sampler.choose(logits, history, static_cast<uint64_t>(i))];
  }
  return counts;
}

// What a grammar forbids is gone before top-k and all else: the draw is that of logits which never
// had it. A mask after top-k would leave nothing of this one.
TEST(Sampler, MaskComesBeforeEveryTruncation) {
  auto logits = random_logits(200, 3);
  std::vector<uint64_t> mask(2, 0);  // rows beyond it stand for no token
  for (size_t i = 0; i < 100; ++i) {
    if (i % 7 == 3) mask[i / 64] |= uint64_t{1} << (i % 64);
    if (i % 7 == 3) logits[i] -= 20;
  }
  std::vector<float> left = logits;
  for (size_t i = 0; i < left.size(); ++i) {
    if (i >= 128 || (mask[i / 64] >> (i % 64) & 1) == 0) left[i] = -HUGE_VALF;
  }
  for (const float temperature : {0.0f, 1.0f}) {
    SamplingOptions options = plain();
    options.temperature = temperature;
    options.top_k = 5;
    options.top_p = 0.9f;
    options.seed = 11;
    Sampler sampler(options, device::best_isa());
    for (uint64_t position = 0; position < 100; ++position) {
      const TokenId token = sampler.choose(logits, {}, position, 0, mask);
      ASSERT_EQ(token % 7, 3);
      ASSERT_EQ(token, sampler.choose(left, {}, position));
      const std::vector<uint64_t> all(4, ~uint64_t{0});
      ASSERT_EQ(sampler.choose(logits, {}, position, 0, all), sampler.choose(logits, {}, position));
    }
  }
}

TEST(Sampler, TemperatureZeroTakesTheLowestIdOfTheBest) {
  SamplingOptions options = plain();
  options.temperature = 0;
  Sampler sampler(options, device::Isa::kScalar);
  EXPECT_EQ(sampler.choose(std::vector<float>{1, 5, 5, 2}, {}, 7), 1);
}

TEST(Sampler, SamePositionSameTokenWhateverCameBefore) {
  const auto logits = random_logits(1000, 1);
  SamplingOptions options = plain();
  options.seed = 42;
  Sampler first(options, device::Isa::kScalar);
  Sampler second(options, device::best_isa());
  for (uint64_t position = 0; position < 50; ++position) first.choose(logits, {}, position);
  EXPECT_EQ(first.choose(logits, {}, 17), second.choose(logits, {}, 17));
  options.seed = 43;
  Sampler other(options, device::best_isa());
  int different = 0;
  for (uint64_t position = 0; position < 50; ++position) {
    different += first.choose(logits, {}, position) != other.choose(logits, {}, position);
  }
  EXPECT_GT(different, 25);
}

// The rule of docs/NUMERICS.md, section 6, written out in another way as the oracle.
TEST(Sampler, PickFollowsTheRule) {
  const auto logits = random_logits(97, 3);
  SamplingOptions options = plain();
  options.seed = 0x123456789abcdefull;
  Sampler sampler(options, device::Isa::kScalar);
  const float maximum = *std::max_element(logits.begin(), logits.end());
  for (uint64_t position = 0; position < 200; ++position) {
    const auto word = base::philox4x32_10({static_cast<uint32_t>(position), 0, 0, 0}, options.seed);
    double total = 0;
    for (const float logit : logits) total += std::exp(static_cast<double>(logit - maximum));
    const double threshold = std::floor(word[0] / 256.0) / 16777216.0 * total;
    double cumulative = 0;
    TokenId expected = 0;
    double margin = 1;
    for (size_t i = 0; i < logits.size(); ++i) {
      cumulative += std::exp(static_cast<double>(logits[i] - maximum));
      margin = std::min(margin, std::fabs(cumulative - threshold));
      expected = static_cast<TokenId>(i);
      if (cumulative > threshold) break;
    }
    if (margin < 1e-4) continue;  // too near to a boundary for a binary64 oracle to judge f32
    EXPECT_EQ(sampler.choose(logits, {}, position), expected) << position;
  }
}

TEST(Sampler, FrequenciesFollowTheSoftmax) {
  const std::vector<float> logits{0, std::log(2.0f), std::log(5.0f)};
  const auto counts = draw(plain(), logits, 16000);
  EXPECT_NEAR(counts.at(0), 2000, 200);
  EXPECT_NEAR(counts.at(1), 4000, 300);
  EXPECT_NEAR(counts.at(2), 10000, 400);
}

TEST(Sampler, TruncationsKeepWhatTheyShould) {
  // Probabilities 0.5, 0.25, 0.15, 0.1 in scrambled order.
  const std::vector<float> logits{std::log(0.15f), std::log(0.5f), std::log(0.1f), std::log(0.25f)};
  const auto kept = [&](const SamplingOptions& options) {
    std::vector<TokenId> ids;
    for (const auto& [id, count] : draw(options, logits, 3000)) ids.push_back(id);
    return ids;
  };
  SamplingOptions options = plain();
  options.top_k = 2;
  EXPECT_EQ(kept(options), (std::vector<TokenId>{1, 3}));
  options = plain();
  options.top_p = 0.6f;
  EXPECT_EQ(kept(options), (std::vector<TokenId>{1, 3}));
  options.top_p = 0.85f;
  EXPECT_EQ(kept(options), (std::vector<TokenId>{0, 1, 3}));
  options.top_p = 0;
  EXPECT_EQ(kept(options), (std::vector<TokenId>{1}));
  options = plain();
  options.min_p = 0.4f;
  EXPECT_EQ(kept(options), (std::vector<TokenId>{1, 3}));
  // Entropy 1.21 nats: 0.25 (1.39) and 0.15 (1.90) or 0.5 (0.69)? |0.18|, |0.52|, |0.69|, |1.09|.
  options = plain();
  options.typical = 0.5f;
  EXPECT_EQ(kept(options), (std::vector<TokenId>{1, 3}));
}

TEST(Sampler, TopPBeforeTopKWouldKeepMore) {
  // Mutant: truncations in the other order. After top-k 2 the shares are 2/3 and 1/3, so top-p 0.6
  // keeps one; top-p first would keep two.
  const std::vector<float> logits{std::log(0.4f), std::log(0.2f), std::log(0.2f), std::log(0.2f)};
  SamplingOptions options = plain();
  options.top_k = 2;
  options.top_p = 0.6f;
  EXPECT_EQ(draw(options, logits, 2000).size(), 1u);
}

TEST(Sampler, TiesGoToTheLowerId) {
  const std::vector<float> logits(64, 1.0f);
  SamplingOptions options = plain();
  options.top_k = 3;
  for (const auto& [id, count] : draw(options, logits, 2000)) EXPECT_LT(id, 3);
  options = plain();
  options.top_p = 3.0f / 64;
  for (const auto& [id, count] : draw(options, logits, 2000)) EXPECT_LT(id, 3);
}

TEST(Sampler, Penalties) {
  SamplingOptions options = plain();
  options.temperature = 0;
  options.repeat_penalty = 2;
  Sampler repeat(options, device::Isa::kScalar);
  const std::vector<float> logits{3, 2, -1};
  const std::vector<TokenId> history{0};
  EXPECT_EQ(repeat.choose(logits, history, 1), 1);  // 3 / 2 < 2
  // A negative logit is multiplied, not divided: dividing would lift it.
  const std::vector<float> negative{-1.0f, -1.5f};
  EXPECT_EQ(repeat.choose(negative, history, 1), 1);
  options = plain();
  options.temperature = 0;
  options.frequency_penalty = 0.6f;
  Sampler frequency(options, device::Isa::kScalar);
  EXPECT_EQ(frequency.choose(logits, history, 1), 0);
  EXPECT_EQ(frequency.choose(logits, std::vector<TokenId>{0, 0}, 2), 1);
  options.frequency_penalty = 0;
  options.presence_penalty = 1.5f;
  Sampler presence(options, device::Isa::kScalar);
  EXPECT_EQ(presence.choose(logits, std::vector<TokenId>{0, 0}, 2), 1);
  options.penalty_last_tokens = 1;
  Sampler window(options, device::Isa::kScalar);
  EXPECT_EQ(window.choose(logits, std::vector<TokenId>{0, 2}, 2), 0);
}

// Longest common suffix by brute force, as the oracle of the Z-function matcher.
TEST(Sampler, DryFindsTheLongestRepetition) {
  base::RandomStream random(9);
  for (int round = 0; round < 300; ++round) {
    std::vector<TokenId> history(2 + random.below(40));
    for (TokenId& token : history) token = static_cast<TokenId>(random.below(4));
    const TokenId breaker = 3;
    const size_t size = history.size();
    std::vector<uint32_t> longest(5, 0);
    for (size_t end = 1; end < size; ++end) {
      uint32_t length = 0;
      while (length < end && history[end - 1 - length] == history[size - 1 - length] &&
             history[size - 1 - length] != breaker) {
        ++length;
      }
      auto& best = longest[static_cast<size_t>(history[end])];
      if (history[end] != breaker) best = std::max(best, length);
    }
    SamplingOptions options = plain();
    options.temperature = 0;
    options.dry = {.multiplier = 1, .base = 2, .allowed_length = 2, .breakers = {breaker}};
    Sampler sampler(options, device::Isa::kScalar);
    for (TokenId token = 0; token < 3; ++token) {
      const uint32_t length = longest[static_cast<size_t>(token)];
      const float penalty = length >= 2 ? std::exp2(static_cast<float>(length - 2)) : 0;
      std::vector<float> logits(5, -1e30f);
      logits[static_cast<size_t>(token)] = 0;
      logits[4] = -penalty - 0.25f;  // just under what the token must have left
      EXPECT_EQ(sampler.choose(logits, history, size), token) << round;
      logits[4] = -penalty + 0.25f;
      EXPECT_EQ(sampler.choose(logits, history, size), 4) << round;
    }
  }
}

TEST(Sampler, ExtremesChooseSomething) {
  SamplingOptions options = plain();
  options.temperature = 1e-6f;
  Sampler cold(options, device::best_isa());
  EXPECT_EQ(cold.choose(std::vector<float>{3e38f, -3e38f, 1}, {}, 0), 0);
  EXPECT_EQ(cold.choose(std::vector<float>{-3e38f, 2, 1}, {}, 0), 1);
  options.temperature = 0.8f;
  options.typical = 0.5f;
  options.top_p = 0.5f;
  Sampler warm(options, device::best_isa());
  EXPECT_EQ(warm.choose(std::vector<float>{3e38f, -3e38f, 1}, {}, 0), 0);
  options.temperature = 1e-40f;
  EXPECT_FALSE(check_sampling(options, 3).ok());
}

TEST(Sampler, BiasReachesWhatItNames) {
  SamplingOptions options = plain();
  options.temperature = 0;
  options.logit_bias = {{2, 10.0f}};
  Sampler sampler(options, device::Isa::kScalar);
  EXPECT_EQ(sampler.choose(std::vector<float>{3, 2, -1}, {}, 0), 2);
  EXPECT_FALSE(check_sampling(options, 2).ok());
  EXPECT_TRUE(check_sampling(options, 3).ok());
}

float from_bits(const std::string& hex) {
  return std::bit_cast<float>(static_cast<uint32_t>(std::stoul(hex, nullptr, 16)));
}

// golden/numerics/sampler.txt, a second writing of the rules in exact arithmetic.
TEST(Sampler, GoldenVectors) {
  std::ifstream file(std::string(FREEHOLD_SOURCE_DIR) + "/golden/numerics/sampler.txt");
  std::string line;
  std::map<std::string, int> seen;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind != "pick" && kind != "penalty" && kind != "dry") continue;
    ++seen[kind];
    std::vector<std::string> parts;
    for (std::string word; words >> word;) parts.push_back(word);
    SamplingOptions options = plain();
    if (kind == "pick") {
      options.temperature = from_bits(parts[0]);
      options.top_k = static_cast<uint32_t>(std::stoul(parts[1]));
      options.typical = from_bits(parts[2]);
      options.top_p = from_bits(parts[3]);
      options.min_p = from_bits(parts[4]);
      const auto word = static_cast<uint32_t>(std::stoul(parts[5], nullptr, 16));
      std::vector<float> logits;
      for (size_t i = 7; i + 2 < parts.size(); ++i) logits.push_back(from_bits(parts[i]));
      for (const auto isa : {device::Isa::kScalar, device::best_isa()}) {
        Sampler sampler(options, isa);
        EXPECT_EQ(sampler.choose_by_word(logits, {}, word), std::stoi(parts.back())) << line;
      }
      continue;
    }
    // A penalised logit is read through a neighbour that is just better, equal or just worse.
    std::vector<TokenId> history;
    options.temperature = 0;
    if (kind == "penalty") {
      options.repeat_penalty = from_bits(parts[0]);
      options.frequency_penalty = from_bits(parts[1]);
      options.presence_penalty = from_bits(parts[2]);
      history.assign(std::stoul(parts[3]), 1);
    } else {
      options.dry = {.multiplier = from_bits(parts[0]), .base = from_bits(parts[1])};
      // "1" repeated: the match at its end is as long as the repetition before it.
      history.assign(options.dry.allowed_length + std::stoul(parts[2]) + 1, 1);
    }
    const float logit = from_bits(parts[parts.size() - 3]);
    const float expected = from_bits(parts.back());
    Sampler sampler(options, device::best_isa());
    const float above = std::nextafter(expected, HUGE_VALF);
    const float below = std::nextafter(expected, -HUGE_VALF);
    EXPECT_EQ(sampler.choose(std::vector<float>{above, logit}, history, 9), 0) << line;
    EXPECT_EQ(sampler.choose(std::vector<float>{expected, logit}, history, 9), 0) << line;
    EXPECT_EQ(sampler.choose(std::vector<float>{below, logit}, history, 9), 1) << line;
  }
  EXPECT_GE(seen["pick"], 100);
  EXPECT_GE(seen["penalty"], 5);
  EXPECT_GE(seen["dry"], 2);
}

TEST(StopStrings, StraddlingIsNeitherMissedNorShown) {
  const std::string text = "one two STOP three";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    StopStrings stops({"STOP", "absent", ""});
    std::string shown;
    for (size_t at = 0; at < text.size(); at += piece) shown += stops.push(text.substr(at, piece));
    if (!stops.stopped()) shown += stops.finish();
    EXPECT_EQ(shown, "one two ") << piece;
    EXPECT_TRUE(stops.stopped());
  }
}

TEST(StopStrings, EarliestWinsAndNothingIsLost) {
  StopStrings stops({"bc", "abcd"});
  EXPECT_EQ(stops.push("xab"), "x");
  EXPECT_EQ(stops.push("c"), "a");
  EXPECT_TRUE(stops.stopped());
  StopStrings none({"aab"});
  std::string shown = none.push("aaa");
  shown += none.push("ac");
  shown += none.finish();
  EXPECT_EQ(shown, "aaaac");
}

// Top-k alone, with weights that are all the same: which tokens can come out is the selection. The
// oracle sorts everything; few distinct values make ties at the edge the rule.
TEST(Sampler, TopKKeepsTheLowestIdsOfEquals) {
  base::RandomStream random(31);
  for (int round = 0; round < 60; ++round) {
    std::vector<float> logits(1 + random.below(700));
    for (float& logit : logits) {
      logit = random.below(9) == 0 ? -HUGE_VALF : static_cast<float>(random.below(6)) * 1e-6f;
    }
    logits[random.below(static_cast<uint32_t>(logits.size()))] = 0;
    SamplingOptions options = plain();
    options.top_k = 1 + random.below(20);
    std::vector<TokenId> order;
    for (size_t i = 0; i < logits.size(); ++i) {
      if (logits[i] != -HUGE_VALF) order.push_back(static_cast<TokenId>(i));
    }
    std::stable_sort(order.begin(), order.end(), [&](TokenId a, TokenId b) {
      return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
    });
    order.resize(std::min<size_t>(order.size(), options.top_k));
    const std::set<TokenId> expected(order.begin(), order.end());
    std::set<TokenId> seen;
    for (const auto& [token, count] : draw(options, logits, 400)) seen.insert(token);
    EXPECT_EQ(seen, expected) << round;
  }
}

TEST(Sampler, ReportsTheCostOfALargeVocabulary) {
  const auto logits = random_logits(262144, 32);
  base::SystemClock clock;
  for (const float temperature : {0.0f, 0.8f}) {
    SamplingOptions options;  // the defaults: top-k, top-p and min-p
    options.temperature = temperature;
    Sampler sampler(options, device::best_isa());
    int64_t best = INT64_MAX;
    for (uint64_t position = 0; position < 30; ++position) {
      const int64_t start = clock.monotonic_ns();
      sampler.choose(logits, {}, position);
      best = std::min(best, clock.monotonic_ns() - start);
    }
    std::printf("[  figure  ] 262144 tokens, temperature %.1f: %.3f ms a choice\n",
                static_cast<double>(temperature), static_cast<double>(best) * 1e-6);
  }
}

}  // namespace
}  // namespace freehold::runtime
