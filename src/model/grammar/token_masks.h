#pragma once
// Which tokens of a vocabulary may follow, for one grammar. What a state of the grammar alone
// decides is worked out once, when it is first needed, and kept: the tokens it allows whatever lies
// below it on the stack, and the *rests* of tokens that go on behind the end of its rule, as a
// smaller trie that the state below then decides in the same way. A mask is a few of these joined.
// One thread at a time; sequences with the same grammar share one.

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/grammar/grammar.h"
#include "model/grammar/stacks.h"
#include "model/grammar/token_trie.h"

namespace freehold::model {

class TokenMasks {
 public:
  struct Options {
    size_t cache_bytes_max = 32u << 20;  // beyond it what was kept is thrown away
  };
  /// Both are shared with whoever else uses them.
  TokenMasks(std::shared_ptr<const Grammar> grammar,
             std::shared_ptr<const GrammarVocabulary> vocabulary, Options options);
  TokenMasks(std::shared_ptr<const Grammar> grammar,
             std::shared_ptr<const GrammarVocabulary> vocabulary)
      : TokenMasks(std::move(grammar), std::move(vocabulary), Options{}) {}

  const Grammar& grammar() const { return *grammar_; }
  const GrammarVocabulary& vocabulary() const { return *vocabulary_; }

  /// Sets the bits of the tokens that may follow `stacks` of `machine` and clears all others; the
  /// tokens that end an answer are not looked at. `mask` has vocabulary().words() words. kRefused
  /// where the grammar is too ambiguous to go on.
  Status fill(const StackMachine& machine, const StackSet& stacks, std::span<uint64_t> mask);

  /// Bytes kept, roughly.
  size_t cache_bytes() const { return cache_bytes_; }

 private:
  /// What one state makes of one trie.
  struct Verdict {
    std::vector<TokenId> few;          // allowed, where they are few
    std::vector<uint64_t> many;        // else
    std::unique_ptr<TokenTrie> rests;  // of tokens undecided, nullptr: none
    bool returns_at_once = false;      // its rule may end before the first byte
  };
  /// A set of stacks over an unknown bottom, and where bytes lead from it.
  struct Local {
    StackSet stacks;
    bool returns = false;  // to what lies below
  };

  Status apply(const TokenTrie& trie, const StackMachine& machine, StackMachine::NodeId node,
               std::span<uint64_t> mask);
  Result<const Verdict*> verdict(const TokenTrie& trie, Grammar::StateId state);
  Verdict judge(const TokenTrie& trie, Grammar::StateId state);
  void collect_rests(const TokenTrie& trie, std::span<const uint32_t> returns, Verdict& verdict);
  uint32_t local_start(Grammar::StateId state);
  uint32_t local_step(uint32_t local, uint8_t byte);
  uint32_t local_number(StackSet stacks);
  void forget_locals();

  struct Key {
    const TokenTrie* trie;
    uint64_t place;  // a state or a node
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return std::hash<const void*>()(key.trie) ^ (key.place * 0x9E3779B97F4A7C15u);
    }
  };

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const GrammarVocabulary> vocabulary_;
  Options options_;
  std::unordered_map<Key, Verdict, KeyHash> verdicts_;
  size_t cache_bytes_ = 0;
  // Locals: number 0 is the dead one. next_ is [locals][256], kUnknown where not asked yet.
  StackMachine local_machine_;
  std::vector<Local> locals_;
  std::vector<uint32_t> next_;
  struct StackSetHash {
    size_t operator()(const StackSet& stacks) const;
  };
  std::unordered_map<StackSet, uint32_t, StackSetHash> local_numbers_;
  std::vector<uint64_t> allowed_;  // scratch of judge()
  std::vector<uint32_t> path_;     // scratch of judge(): local at every depth
  std::vector<Key> applied_;       // by this fill()
};

}  // namespace freehold::model
