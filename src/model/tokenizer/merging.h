#pragma once
// Byte-pair merging of one word: again and again the neighbours whose merge has the lowest rank,
// the leftmost of equals (Sennrich et al., "Neural machine translation of rare words with subword
// units", 2016). n² on short words, where that is fastest; n log n on long ones. One thread each.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "model/tokenizer/hash_tables.h"

namespace freehold::model {

/// A piece of a word on its way to a token.
struct Symbol {
  int32_t token = -1;   // -1: no token is these bytes (so far)
  uint32_t start = 0;   // its bytes in the word
  uint32_t length = 0;  // 0: merged into its left neighbour
};

/// Merges `symbols` in place. `lookup(left, right)` gives the merge of two neighbours, token -1 for
/// none. A Merger keeps its buffers between words.
class Merger {
 public:
  template <class Lookup>
  void merge(std::vector<Symbol>& symbols, const Lookup& lookup) {
    if (symbols.size() < 2) return;
    if (symbols.size() <= kShort) {
      merge_short(symbols, lookup);
    } else {
      merge_long(symbols, lookup);
    }
  }

 private:
  static constexpr size_t kShort = 40;  // measured: above it the heap wins
  static constexpr uint32_t kNone = ~uint32_t{0};

  struct Candidate {
    int32_t rank;
    uint32_t left;
    int32_t token;
    uint32_t left_length, right_length;  // as they were; differ now: the candidate is stale

    bool after(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  struct Link {
    uint32_t previous, next;
  };

  template <class Lookup>
  void merge_short(std::vector<Symbol>& symbols, const Lookup& lookup) {
    Merge merges[kShort];
    size_t count = symbols.size();
    for (size_t i = 0; i + 1 < count; ++i) merges[i] = lookup(symbols[i], symbols[i + 1]);
    for (;;) {
      size_t best = count;
      for (size_t i = 0; i + 1 < count; ++i) {
        if (merges[i].token < 0) continue;
        if (best == count || merges[i].rank < merges[best].rank) best = i;
      }
      if (best == count) break;
      symbols[best].token = merges[best].token;
      symbols[best].length += symbols[best + 1].length;
      for (size_t i = best + 1; i + 1 < count; ++i) {
        symbols[i] = symbols[i + 1];
        merges[i] = merges[i + 1];
      }
      --count;
      if (best > 0) merges[best - 1] = lookup(symbols[best - 1], symbols[best]);
      if (best + 1 < count) merges[best] = lookup(symbols[best], symbols[best + 1]);
    }
    symbols.resize(count);
  }

  template <class Lookup>
  void consider(const std::vector<Symbol>& symbols, uint32_t left, const Lookup& lookup) {
    if (left == kNone || links_[left].next == kNone) return;
    const Symbol& a = symbols[left];
    const Symbol& b = symbols[links_[left].next];
    const Merge merge = lookup(a, b);
    if (merge.token < 0) return;
    heap_.push_back({merge.rank, left, merge.token, a.length, b.length});
  }

  template <class Lookup>
  void merge_long(std::vector<Symbol>& symbols, const Lookup& lookup) {
    const auto after = [](const Candidate& a, const Candidate& b) { return a.after(b); };
    const auto count = static_cast<uint32_t>(symbols.size());
    links_.resize(count);
    heap_.clear();
    for (uint32_t i = 0; i < count; ++i) links_[i] = {i - 1, i + 1 < count ? i + 1 : kNone};
    links_[0].previous = kNone;
    for (uint32_t i = 0; i < count; ++i) consider(symbols, i, lookup);
    std::make_heap(heap_.begin(), heap_.end(), after);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), after);
      const Candidate best = heap_.back();
      heap_.pop_back();
      const uint32_t right = links_[best.left].next;
      if (symbols[best.left].length != best.left_length || right == kNone ||
          symbols[right].length != best.right_length) {
        continue;
      }
      symbols[best.left].token = best.token;
      symbols[best.left].length += symbols[right].length;
      symbols[right].length = 0;
      links_[best.left].next = links_[right].next;
      if (links_[right].next != kNone) links_[links_[right].next].previous = best.left;
      for (const uint32_t left : {links_[best.left].previous, best.left}) {
        const size_t before = heap_.size();
        consider(symbols, left, lookup);
        if (heap_.size() != before) std::push_heap(heap_.begin(), heap_.end(), after);
      }
    }
    symbols.erase(std::remove_if(symbols.begin(), symbols.end(),
                                 [](const Symbol& symbol) { return symbol.length == 0; }),
                  symbols.end());
  }

  std::vector<Candidate> heap_;
  std::vector<Link> links_;
};

/// Words seen before in one call and where their tokens are, so that a frequent word is merged
/// once. Direct-mapped: a collision forgets. Words must stay where they are while it lives.
class WordCache {
 public:
  /// For a text of this size; short texts get none.
  explicit WordCache(size_t text_bytes) {
    if (text_bytes < 1024) return;
    slots_.assign(std::min<size_t>(std::bit_ceil(text_bytes / 16), 16'384), Slot{});
  }

  /// Appends the tokens of `word` (inside `text`) if they are known.
  template <class Token>
  bool append(std::string_view word, std::vector<Token>& tokens) {
    if (slots_.empty() || word.size() > kWordBytesMax) return false;
    slot_ = &slots_[hash_bytes(word) & (slots_.size() - 1)];
    if (slot_->word != word) return false;
    const size_t old = tokens.size();
    tokens.resize(old + slot_->tokens);
    for (uint32_t i = 0; i < slot_->tokens; ++i) tokens[old + i] = tokens[slot_->first + i];
    return true;
  }
  /// After append() said no: the tokens of `word` are those from `first` on.
  void remember(std::string_view word, size_t first, size_t end) {
    if (slots_.empty() || word.size() > kWordBytesMax) return;
    *slot_ = {word, first, static_cast<uint32_t>(end - first)};
  }

 private:
  static constexpr size_t kWordBytesMax = 64;
  struct Slot {
    std::string_view word;
    size_t first = 0;
    uint32_t tokens = 0;
  };
  std::vector<Slot> slots_;
  Slot* slot_ = nullptr;
};

/// What one encode() call works with.
struct EncodeScratch {
  explicit EncodeScratch(size_t text_bytes) : cache(text_bytes) {}

  WordCache cache;
  Merger merger;
  std::vector<Symbol> symbols;
  std::deque<std::string> rewritten;  // normalized or escaped pieces; the cache looks into them
};

}  // namespace freehold::model
