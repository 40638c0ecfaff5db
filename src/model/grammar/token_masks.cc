#include "model/grammar/token_masks.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace freehold::model {

namespace {

constexpr uint32_t kDead = 0;
constexpr uint32_t kUnknown = UINT32_MAX;
/// 1 KiB each: forgotten between two verdicts, given up within one.
constexpr size_t kLocalsKept = 8192;
constexpr size_t kLocalsMax = 32768;
/// Rests of one verdict: beyond, a grammar ends a rule behind nearly every byte.
constexpr size_t kRestsMax = 4u << 20;

void set_bit(std::span<uint64_t> words, TokenId token) {
  words[static_cast<size_t>(token) / 64] |= uint64_t{1} << (static_cast<size_t>(token) % 64);
}

bool has_bit(std::span<const uint64_t> words, TokenId token) {
  return (words[static_cast<size_t>(token) / 64] >> (static_cast<size_t>(token) % 64) & 1) != 0;
}

}  // namespace

size_t TokenMasks::StackSetHash::operator()(const StackSet& stacks) const {
  uint64_t hash = stacks.size();
  for (const uint32_t stack : stacks) hash = (hash ^ stack) * 0x9E3779B97F4A7C15u + (hash >> 29);
  return hash;
}

TokenMasks::TokenMasks(std::shared_ptr<const Grammar> grammar,
                       std::shared_ptr<const GrammarVocabulary> vocabulary, Options options)
    : grammar_(std::move(grammar)),
      vocabulary_(std::move(vocabulary)),
      options_(options),
      local_machine_(*grammar_) {
  forget_locals();
}

Status TokenMasks::fill(const StackMachine& machine, const StackSet& stacks,
                        std::span<uint64_t> mask) {
  CHECK(mask.size() == vocabulary_->words());
  std::fill(mask.begin(), mask.end(), 0);
  // Not while verdicts are in use.
  if (cache_bytes_ > options_.cache_bytes_max) {
    verdicts_.clear();
    cache_bytes_ = 0;
  }
  applied_.clear();
  for (const StackMachine::NodeId node : stacks) {
    TRY(apply(vocabulary_->trie(), machine, node, mask));
  }
  return {};
}

Status TokenMasks::apply(const TokenTrie& first_trie, const StackMachine& machine,
                         StackMachine::NodeId first_node, std::span<uint64_t> mask) {
  std::vector<Key> waiting{{&first_trie, first_node}};
  while (!waiting.empty()) {
    const Key key = waiting.back();
    waiting.pop_back();
    if (std::find(applied_.begin(), applied_.end(), key) != applied_.end()) continue;
    applied_.push_back(key);
    if (applied_.size() > 4 * StackMachine::kStacksMax) return too_ambiguous();
    const auto node = static_cast<StackMachine::NodeId>(key.place);
    const Verdict& judged = *TRY(verdict(*key.trie, machine.state(node)));
    for (const TokenId token : judged.few) set_bit(mask, token);
    for (size_t i = 0; i < judged.many.size(); ++i) mask[i] |= judged.many[i];
    const StackMachine::NodeId below = machine.parent(node);
    if (below == StackMachine::kBottom) continue;
    if (judged.returns_at_once) waiting.push_back({key.trie, below});
    if (judged.rests != nullptr) waiting.push_back({judged.rests.get(), below});
  }
  return {};
}

Result<const TokenMasks::Verdict*> TokenMasks::verdict(const TokenTrie& trie,
                                                       Grammar::StateId state) {
  const Key key{&trie, state};
  const auto found = verdicts_.find(key);
  if (found != verdicts_.end()) return &found->second;
  if (locals_.size() > kLocalsKept) forget_locals();
  Verdict judged = judge(trie, state);
  if (local_machine_.overflowed() || locals_.size() > kLocalsMax) {
    forget_locals();
    return too_ambiguous();
  }
  cache_bytes_ += sizeof(Verdict) + 64 + judged.few.size() * sizeof(TokenId) +
                  judged.many.size() * sizeof(uint64_t) +
                  (judged.rests == nullptr ? 0 : judged.rests->bytes());
  return &verdicts_.emplace(key, std::move(judged)).first->second;
}

TokenMasks::Verdict TokenMasks::judge(const TokenTrie& trie, Grammar::StateId state) {
  Verdict out;
  allowed_.assign(vocabulary_->words(), 0);
  path_.assign(trie.depth_max() + 1, kDead);
  path_[0] = local_start(state);
  out.returns_at_once = locals_[path_[0]].returns;
  std::vector<uint32_t> returns;  // nodes behind which the rule may have ended
  for (size_t i = 0; i < trie.size() && locals_.size() <= kLocalsMax;) {
    const TokenTrie::Node& node = trie.node(i);
    const uint32_t before = path_[node.depth - 1u];
    uint32_t after = next_[size_t{before} * 256 + node.byte];
    if (after == kUnknown) after = local_step(before, node.byte);
    if (after == kDead) {
      i = node.end;
      continue;
    }
    path_[node.depth] = after;
    for (const TokenId token : trie.tokens(i)) set_bit(allowed_, token);
    ++i;
    if (locals_[after].returns && node.end > i) returns.push_back(static_cast<uint32_t>(i - 1));
  }
  collect_rests(trie, returns, out);
  size_t count = 0;
  for (const uint64_t word : allowed_) count += static_cast<size_t>(std::popcount(word));
  if (count * sizeof(TokenId) >= allowed_.size() * sizeof(uint64_t)) {
    out.many = allowed_;
    return out;
  }
  for (size_t word = 0; word < allowed_.size(); ++word) {
    for (uint64_t bits = allowed_[word]; bits != 0; bits &= bits - 1) {
      out.few.push_back(
          static_cast<TokenId>(word * 64 + static_cast<size_t>(std::countr_zero(bits))));
    }
  }
  return out;
}

// A token that is allowed whatever lies below needs no rest.
void TokenMasks::collect_rests(const TokenTrie& trie, std::span<const uint32_t> returns,
                               Verdict& out) {
  std::vector<TokenTrie::Entry> rests;
  std::string path(trie.depth_max(), '\0');
  for (const uint32_t from : returns) {
    const size_t begin = trie.node(from).depth;
    for (size_t i = from + 1; i < trie.node(from).end; ++i) {
      const TokenTrie::Node& node = trie.node(i);
      path[node.depth - 1u] = static_cast<char>(node.byte);
      for (const TokenId token : trie.tokens(i)) {
        if (has_bit(allowed_, token)) continue;
        if (rests.size() > kRestsMax) {
          locals_.resize(kLocalsMax + 1);  // given up; verdict() says so
          return;
        }
        rests.emplace_back(path.substr(begin, node.depth - begin), token);
      }
    }
  }
  if (!rests.empty()) out.rests = std::make_unique<TokenTrie>(std::move(rests));
}

uint32_t TokenMasks::local_start(Grammar::StateId state) {
  return local_number(local_machine_.start(state));
}

uint32_t TokenMasks::local_step(uint32_t local, uint8_t byte) {
  const StackSet before = locals_[local].stacks;
  const uint32_t after = local_number(local_machine_.step(before, byte));
  next_[size_t{local} * 256 + byte] = after;
  return after;
}

uint32_t TokenMasks::local_number(StackSet stacks) {
  if (stacks.empty()) return kDead;
  const auto found = local_numbers_.find(stacks);
  if (found != local_numbers_.end()) return found->second;
  const auto number = static_cast<uint32_t>(locals_.size());
  const bool returns = local_machine_.accepts(stacks);
  local_numbers_.emplace(stacks, number);
  locals_.push_back({std::move(stacks), returns});
  next_.resize(next_.size() + 256, kUnknown);
  return number;
}

void TokenMasks::forget_locals() {
  local_machine_.clear();
  local_numbers_.clear();
  locals_.assign(1, {});
  next_.assign(256, kDead);
}

}  // namespace freehold::model
