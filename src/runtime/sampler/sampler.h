#pragma once
// From logits to the next token, by docs/NUMERICS.md, section 6: penalties, bias, mask,
// temperature, then top-k, typical, top-p, min-p in this order, all in f32, drawn with a generator
// keyed by seed and position, so that batching, speculation and resumption draw the same token. One
// thread per Sampler; buffers are made once, choose() allocates nothing after the first call of a
// vocabulary size.

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "device/isa.h"
#include "ops/op_table.h"

namespace freehold::runtime {

using TokenId = int32_t;

/// "Don't repeat yourself": a token that would lengthen a repetition of `allowed_length` tokens or
/// more pays multiplier * base^(length - allowed_length). Off where multiplier is 0.
struct DryOptions {
  float multiplier = 0;
  float base = 1.75f;
  uint32_t allowed_length = 2;
  uint32_t last_tokens = 0;         // 0: the whole sequence
  std::vector<TokenId> breakers{};  // a repetition never spans one of these
};

struct SamplingOptions {
  float temperature = 0.8f;  // 0: the first candidate
  uint32_t top_k = 40;       // 0: off
  float top_p = 0.95f;       // 1: off
  float min_p = 0.05f;       // 0: off
  float typical = 1;         // 1: off
  float repeat_penalty = 1;  // 1: off
  float frequency_penalty = 0;
  float presence_penalty = 0;
  uint32_t penalty_last_tokens = 64;  // window of the three penalties
  DryOptions dry;
  std::vector<std::pair<TokenId, float>> logit_bias;
  uint64_t seed = 0;
};

/// kUsage naming the option that is out of range for a vocabulary of `vocabulary` tokens.
Status check_sampling(const SamplingOptions& options, size_t vocabulary);

class Sampler {
 public:
  Sampler(SamplingOptions options, device::Isa isa);

  /// The token at `position` (its index in the sequence) after `history`, every token before it.
  /// `choice` tells apart several answers to one prompt. One logit per token id, none NaN or
  /// +infinity. `allowed` is a grammar's mask, a bit per token id (GrammarMatcher::allowed()): what
  /// it forbids is no candidate, and something is not forbidden; empty: no grammar.
  TokenId choose(std::span<const float> logits, std::span<const TokenId> history, uint64_t position,
                 uint32_t choice = 0, std::span<const uint64_t> allowed = {});
  /// The same with the generator's word given.
  TokenId choose_by_word(std::span<const float> logits, std::span<const TokenId> history,
                         uint32_t word, std::span<const uint64_t> allowed = {});

  const SamplingOptions& options() const { return options_; }

 private:
  struct Candidate {
    TokenId id;
    float logit;
  };
  void apply_penalties(std::span<const TokenId> history);
  void apply_dry(std::span<const TokenId> history);
  void forbid(std::span<const uint64_t> allowed);
  void start_candidates();
  void keep_typical();
  void keep_top_p();
  void keep_min_p();
  /// Fills weights_ with exp(logit - maximum) of candidates_ in ascending id.
  void weigh();
  void keep(size_t count);
  TokenId pick(uint32_t word) const;

  SamplingOptions options_;
  const ops::OpTable& ops_;
  std::vector<float> values_;          // [vocabulary]
  std::vector<Candidate> candidates_;  // ascending id whenever a step begins
  std::vector<float> weights_;         // beside candidates_
  float maximum_ = 0;                  // of the logits that weigh() saw
  double total_ = 0;                   // sum of weights_, ascending id, in binary64
  std::vector<uint32_t> order_;        // indices into candidates_
  std::vector<uint32_t> taken_;        // scratch of top-p
  std::vector<float> keys_;            // sort keys beside candidates_
  std::vector<uint32_t> counts_;       // [vocabulary], zero between calls
  std::vector<uint32_t> match_;        // scratch of the DRY matcher
};

}  // namespace freehold::runtime
