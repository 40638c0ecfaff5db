#pragma once
// The two flat hash tables tokenizers live on: bytes to token, and a pair of tokens to what merging
// them gives. Open addressing, linear probing, sized once. Built by one thread, then read by any.

#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"

namespace freehold::model {

/// A fast hash of some bytes (multiply and fold, eight bytes a step). Not keyed, so that a hostile
/// vocabulary could make its tokens collide; the tables count their probes and say so.
inline uint64_t hash_bytes(std::string_view bytes) {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
  uint64_t hash = bytes.size() * kMultiplier;
  const auto fold = [](uint64_t value) {
    const auto product = static_cast<unsigned __int128>(value) * kMultiplier;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  };
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) hash = fold(hash ^ base::load_le<uint64_t>(at));
  if (left >= 4) {
    const uint64_t first = base::load_le<uint32_t>(at);
    const uint64_t last = base::load_le<uint32_t>(at + left - 4);
    return fold(hash ^ (first | (last << 32)));
  }
  if (left > 0) {
    const uint64_t first = static_cast<uint8_t>(at[0]);
    const uint64_t middle = static_cast<uint8_t>(at[left / 2]);
    const uint64_t last = static_cast<uint8_t>(at[left - 1]);
    return fold(hash ^ (first | (middle << 8) | (last << 16) | (uint64_t{1} << 32)));
  }
  return fold(hash);
}

/// Slots for `count` entries: a power of two, at most half full.
inline size_t table_slots(size_t count) { return std::bit_ceil(std::max<size_t>(count, 8) * 2); }

/// How an entry went into a table. At half full an entry takes 1.5 probes on average; a table that
/// needs thirty times as many was made to be slow.
enum class Insertion { kNew, kKnown, kColliding };
inline bool probes_are_hostile(uint64_t probes, size_t slots) { return probes > 32 * slots; }

/// Bytes of every token in one block, and the way back from bytes to token.
class TokenTable {
 public:
  /// Room for `tokens` tokens of `bytes` bytes in all.
  void reserve(size_t tokens, size_t bytes) {
    starts_.reserve(tokens + 1);
    starts_.assign(1, 0);
    bytes_.reserve(bytes);
    slots_.assign(table_slots(tokens), Slot{});
  }
  /// The next token's bytes.
  void append(std::string_view bytes) {
    bytes_.append(bytes);
    starts_.push_back(static_cast<uint32_t>(bytes_.size()));
  }
  /// Makes token `id` findable by its bytes, unless these bytes already have a token.
  Insertion index(int32_t id) {
    const std::string_view bytes = bytes_of(id);
    const uint64_t hash = hash_bytes(bytes);
    for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      Slot& slot = slots_[at];
      if (slot.token < 0) {
        slot = {static_cast<uint32_t>(hash >> 32), id};
        return Insertion::kNew;
      }
      if (slot.tag == static_cast<uint32_t>(hash >> 32) && bytes_of(slot.token) == bytes) {
        return Insertion::kKnown;
      }
      if (probes_are_hostile(++probes_, slots_.size())) return Insertion::kColliding;
    }
  }
  /// The token of exactly these bytes, or -1.
  int32_t find(std::string_view bytes) const {
    const uint64_t hash = hash_bytes(bytes);
    const auto tag = static_cast<uint32_t>(hash >> 32);
    for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.token < 0) return -1;
      if (slot.tag == tag && bytes_of(slot.token) == bytes) return slot.token;
    }
  }
  std::string_view bytes_of(int32_t id) const {
    const auto token = static_cast<size_t>(id);
    return std::string_view(bytes_).substr(starts_[token], starts_[token + 1] - starts_[token]);
  }
  size_t size() const { return starts_.size() - 1; }

 private:
  struct Slot {
    uint32_t tag = 0;
    int32_t token = -1;
  };
  std::string bytes_;
  std::vector<uint32_t> starts_{0};
  std::vector<Slot> slots_;
  uint64_t probes_ = 0;
};

/// What merging two neighbours gives.
struct Merge {
  int32_t rank = 0;
  int32_t token = -1;  // -1: they do not merge
};

/// (left token, right token) to their merge.
class MergeTable {
 public:
  void reserve(size_t merges) { slots_.assign(table_slots(merges), Slot{}); }
  /// The first merge of a pair stays.
  Insertion insert(int32_t left, int32_t right, Merge merge) {
    const uint64_t key = key_of(left, right);
    for (size_t at = start_of(key);; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].merge.token < 0) {
        slots_[at] = {key, merge};
        return Insertion::kNew;
      }
      if (slots_[at].key == key) return Insertion::kKnown;
      if (probes_are_hostile(++probes_, slots_.size())) return Insertion::kColliding;
    }
  }
  Merge find(int32_t left, int32_t right) const {
    const uint64_t key = key_of(left, right);
    for (size_t at = start_of(key);; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].key == key || slots_[at].merge.token < 0) return slots_[at].merge;
    }
  }

 private:
  struct Slot {
    uint64_t key = ~uint64_t{0};
    Merge merge;
  };
  static uint64_t key_of(int32_t left, int32_t right) {
    return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) |
           static_cast<uint32_t>(right);
  }
  size_t start_of(uint64_t key) const {
    return static_cast<size_t>((key * 0x9E3779B97F4A7C15u) >> 24) & (slots_.size() - 1);
  }
  std::vector<Slot> slots_;
  uint64_t probes_ = 0;
};

}  // namespace freehold::model
