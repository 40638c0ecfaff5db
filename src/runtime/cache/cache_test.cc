#include "runtime/cache/cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "ops/attention/attention.h"
#include "ops/attention/kv_position.h"
#include "ops/kv_write/kv_write.h"
#include "ops/op_table.h"
#include "runtime/cache/snapshot_format.h"

namespace freehold::runtime {
namespace {

using Bytes = std::vector<std::byte>;

/// 64-byte aligned scratch, full of NaN in any type.
class Scratch {
 public:
  explicit Scratch(size_t bytes) : memory_(bytes + 64, std::byte{0xFF}), bytes_(bytes) {}
  std::span<std::byte> span() {
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    return {memory_.data() + (base::align_up(address, uintptr_t{64}) - address), bytes_};
  }

 private:
  Bytes memory_;
  size_t bytes_;
};

CacheSpec small_spec(uint64_t positions, uint32_t sequences = 16) {
  CacheSpec spec;
  spec.model_id = "a test";
  spec.layers = {{CacheKind::kPaged, 2, {ops::CacheType::kK16V8, 33, 40}},
                 {CacheKind::kPaged, 1, {ops::CacheType::kF32, 4, 5}}};
  spec.positions_max = positions;
  spec.sequences_max = sequences;
  return spec;
}

/// The key and value that a token with this tag has in a layer and head.
void vectors_of(uint64_t tag, uint32_t layer, uint32_t head, const ops::KvLayout& layout,
                std::vector<float>* key, std::vector<float>* value) {
  base::RandomStream random(tag, layer * 16 + head);
  key->resize(layout.key_dim);
  value->resize(layout.value_dim);
  for (float& x : *key) x = random.uniform() - 0.5f;
  for (float& x : *value) x = random.uniform() - 0.5f;
}

/// What a position of a token is as packed bytes, by way of a page of its own.
Bytes packed(uint64_t tag, uint32_t layer, uint32_t head, const ops::KvLayout& layout) {
  Bytes keys(layout.key_bytes());
  Bytes values(layout.value_bytes());
  std::vector<float> key;
  std::vector<float> value;
  vectors_of(tag, layer, head, layout, &key, &value);
  bool finite = true;
  const ops::KvPage page{keys.data(), values.data()};
  ops::kv_write_ref({layout, page, 0, key.data(), value.data(), &finite});
  Bytes bytes(ops::packed_position_bytes(layout));
  ops::pack_position(layout, page, 0, bytes.data());
  return bytes;
}

/// A cache beside the plainest model of it: sequences as lists of token tags.
class Pair {
 public:
  using Tags = std::vector<uint64_t>;
  struct Twin {
    SequenceId id;
    Tags tags;
  };

  explicit Pair(CacheSpec spec, uint64_t seed = 1)
      : random(seed), cache(MUST(Cache::create(account_, std::move(spec)))) {}

  const Bytes& packed_bytes(uint64_t tag, uint32_t layer, uint32_t head) {
    Bytes& bytes = known_[{tag, layer, head}];
    if (bytes.empty()) bytes = packed(tag, layer, head, cache.geometry().layout(layer));
    return bytes;
  }

  /// The payload a snapshot of these tags must have.
  Bytes payload(const Tags& tags) {
    Bytes all;
    for (uint32_t layer = 0; layer < cache.geometry().layers(); ++layer) {
      for (uint32_t head = 0; head < cache.geometry().kv_heads(layer); ++head) {
        for (const uint64_t tag : tags) {
          const Bytes& bytes = packed_bytes(tag, layer, head);
          all.insert(all.end(), bytes.begin(), bytes.end());
        }
      }
    }
    return all;
  }

  Bytes snapshot(SequenceId id) {
    Bytes bytes(cache.snapshot_bytes(id));
    cache.snapshot(id, bytes);
    return bytes;
  }

  void expect_equal(const Twin& twin) {
    ASSERT_EQ(cache.length(twin.id), twin.tags.size());
    const Bytes bytes = snapshot(twin.id);
    const Bytes expected = payload(twin.tags);
    ASSERT_GE(bytes.size(), expected.size());
    EXPECT_TRUE(std::equal(expected.rbegin(), expected.rend(), bytes.rbegin()));
  }

  /// Writes every column of the append in flight, a layer at a time.
  void write(SequenceId id, const Tags& columns) {
    std::vector<float> key;
    std::vector<float> value;
    for (uint32_t layer = 0; layer < cache.geometry().layers(); ++layer) {
      const ops::KvLayout& layout = cache.geometry().layout(layer);
      for (uint32_t head = 0; head < cache.geometry().kv_heads(layer); ++head) {
        for (uint32_t column = 0; column < columns.size(); ++column) {
          vectors_of(columns[column], layer, head, layout, &key, &value);
          const KvSlot slot = cache.slot(id, column, layer, head);
          bool finite = true;
          ops::kv_write_ref({layout, slot.page, slot.position, key.data(), value.data(), &finite});
        }
      }
    }
  }

  /// That a column sees exactly these tokens at indices 0, 1, 2 …
  void expect_sees(SequenceId id, uint32_t column, const Tags& tags) {
    ASSERT_EQ(cache.index(id, column) + 1, tags.size());
    ASSERT_EQ(cache.page_count(id, column), (tags.size() + 255) / 256);
    std::vector<ops::KvPage> pages(cache.page_count(id, column));
    Scratch scratch(cache.scratch_bytes(id, column));
    for (uint32_t layer = 0; layer < cache.geometry().layers(); ++layer) {
      const ops::KvLayout& layout = cache.geometry().layout(layer);
      Bytes bytes(ops::packed_position_bytes(layout));
      for (uint32_t head = 0; head < cache.geometry().kv_heads(layer); ++head) {
        cache.pages(id, column, layer, head, pages, scratch.span());
        for (uint32_t i = 0; i < tags.size(); ++i) {
          ops::pack_position(layout, pages[i / 256], i % 256, bytes.data());
          ASSERT_EQ(bytes, packed_bytes(tags[i], layer, head)) << column << " sees at " << i;
        }
      }
    }
  }

  /// A few recurring tags keep the model cheap.
  uint64_t new_tag() { return 1 + random.below(97); }

  base::RandomStream random;

 private:
  device::MemoryAccount account_;
  std::map<std::tuple<uint64_t, uint32_t, uint32_t>, Bytes> known_;

 public:
  Cache cache;
};

/// What a column of an append sees: the committed tokens, its ancestors, itself.
Pair::Tags seen_by(const Pair::Twin& twin, const Pair::Tags& columns,
                   const std::vector<int32_t>& parents, uint32_t column) {
  Pair::Tags path;
  for (auto at = static_cast<int32_t>(column); at >= 0; at = parents[static_cast<size_t>(at)]) {
    path.push_back(columns[static_cast<size_t>(at)]);
  }
  Pair::Tags seen = twin.tags;
  seen.insert(seen.end(), path.rbegin(), path.rend());
  return seen;
}

/// Appends random columns, chain or tree, looks through some of them, and commits a random path.
void append_step(Pair& pair, Pair::Twin& twin, bool as_tree) {
  const uint32_t most = pair.random.below(6) == 0 ? 300 : 20;
  const uint32_t count = 1 + pair.random.below(most);
  Pair::Tags columns;
  std::vector<int32_t> parents;
  for (uint32_t i = 0; i < count; ++i) {
    columns.push_back(pair.new_tag());
    const auto before = static_cast<int32_t>(i) - 1;
    const bool branches = as_tree && pair.random.below(3) == 0;
    parents.push_back(branches ? static_cast<int32_t>(pair.random.below(i + 1)) - 1 : before);
  }
  const uint32_t available = pair.cache.blocks_available();
  const Status begun = pair.cache.begin_append(twin.id, parents);
  if (!begun.ok()) {
    EXPECT_EQ(begun.error().code, ErrorCode::kRefused);
    EXPECT_EQ(pair.cache.blocks_available(), available);
    return;
  }
  pair.write(twin.id, columns);
  for (int i = 0; i < 3; ++i) {
    const uint32_t column = pair.random.below(count);
    pair.expect_sees(twin.id, column, seen_by(twin, columns, parents, column));
  }
  // A walk from the root that stops somewhere.
  std::vector<uint32_t> path;
  int32_t at = -1;
  for (uint32_t i = 0; i < count; ++i) {
    if (parents[i] != at || pair.random.below(4) == 0) continue;
    if (!as_tree && pair.random.below(30) == 0) break;
    path.push_back(i);
    twin.tags.push_back(columns[i]);
    at = static_cast<int32_t>(i);
  }
  pair.cache.commit(twin.id, path);
}

/// One random operation on both sides.
void random_step(Pair& pair, std::vector<Pair::Twin>& twins) {
  const uint32_t what = pair.random.below(12);
  if (twins.empty() || what == 0) {
    const auto created = pair.cache.create_sequence();
    if (created.ok()) twins.push_back({created.value(), {}});
    return;
  }
  const size_t which = pair.random.below(static_cast<uint32_t>(twins.size()));
  if (what <= 5) return append_step(pair, twins[which], what >= 4);
  if (what <= 7) {
    const auto forked = pair.cache.fork(twins[which].id);
    if (forked.ok()) twins.push_back({forked.value(), twins[which].tags});
  } else if (what == 8) {
    pair.cache.drop(twins[which].id);
    twins.erase(twins.begin() + static_cast<long>(which));
  } else if (what == 9) {
    const auto length = pair.random.below(static_cast<uint32_t>(twins[which].tags.size()) + 1);
    ASSERT_TRUE(pair.cache.truncate(twins[which].id, length).ok());
    twins[which].tags.resize(length);
  } else if (what == 10) {
    const auto restored = pair.cache.restore(pair.snapshot(twins[which].id));
    if (restored.ok()) {
      twins.push_back({restored.value(), twins[which].tags});
    } else {
      EXPECT_EQ(restored.error().code, ErrorCode::kRefused);
    }
  } else {
    const Status status =
        pair.cache.reserve(twins[which].id, pair.random.below(900), pair.random.below(400));
    EXPECT_TRUE(status.ok() || status.error().code == ErrorCode::kRefused);
  }
}

TEST(Cache, EqualsThePlainModelUnderRandomOperations) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Pair pair(small_spec(256 * 14, 7), seed);
    std::vector<Pair::Twin> twins;
    for (int step = 0; step < 120; ++step) {
      random_step(pair, twins);
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed << " step " << step;
      if (step % 4 != 0) continue;
      for (const Pair::Twin& twin : twins) pair.expect_equal(twin);
      ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << " step " << step;
    }
    for (const Pair::Twin& twin : twins) {
      pair.expect_equal(twin);
      pair.cache.drop(twin.id);
    }
    EXPECT_EQ(pair.cache.blocks_available(), 14u);
  }
}

TEST(Cache, MemoryIsChargedToTheCacheAndGivenBack) {
  device::MemoryAccount account;
  const CacheSpec spec = small_spec(1000);
  const uint64_t planned = PageGeometry::create(spec)->pool_bytes();
  EXPECT_EQ(PageGeometry::create(spec)->blocks(), 4u);
  {
    const auto cache = Cache::create(account, spec);
    ASSERT_TRUE(cache.ok());
    EXPECT_GE(account.held(device::MemoryUse::kCache), planned);
    EXPECT_LT(account.held(device::MemoryUse::kCache), planned + 65536);
  }
  EXPECT_EQ(account.held_total(), 0u);
}

TEST(Cache, AFullPoolIsACleanErrorWithNothingChanged) {
  Pair pair(small_spec(512));
  Pair::Twin twin{MUST(pair.cache.create_sequence()), {}};
  ASSERT_TRUE(pair.cache.begin_append(twin.id, 300).ok());
  Pair::Tags columns(300);
  for (uint64_t& tag : columns) tag = pair.new_tag();
  pair.write(twin.id, columns);
  pair.cache.commit(twin.id, 300);
  twin.tags = columns;
  const SequenceId other = MUST(pair.cache.create_sequence());
  EXPECT_EQ(pair.cache.blocks_available(), 0u);
  const Status full = pair.cache.begin_append(other, 1);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, ErrorCode::kRefused);
  EXPECT_NE(full.error().message.find("0 of 2 are free"), std::string::npos);
  // A tree needs a block for its nodes; a chain into the room that is there does not.
  EXPECT_FALSE(pair.cache.begin_append(twin.id, std::vector<int32_t>{-1, -1}).ok());
  EXPECT_FALSE(pair.cache.begin_append(twin.id, 213).ok());
  EXPECT_FALSE(pair.cache.begin_append(twin.id, 4000000000u).ok());
  EXPECT_FALSE(pair.cache.reserve(twin.id, 4294967295u).ok());
  EXPECT_FALSE(pair.cache.restore(pair.snapshot(twin.id)).ok());
  EXPECT_TRUE(pair.cache.begin_append(twin.id, 212).ok());
  pair.cache.commit(twin.id, 0);
  pair.expect_equal(twin);
  // A fork costs nothing until it writes.
  const SequenceId child = MUST(pair.cache.fork(twin.id));
  EXPECT_FALSE(pair.cache.begin_append(child, 1).ok());
  pair.cache.drop(twin.id);
  EXPECT_TRUE(pair.cache.begin_append(child, 1).ok()) << "its last holder writes in place";
  EXPECT_EQ(pair.cache.blocks_available(), 0u);
}

TEST(Cache, WhatIsReservedCannotFail) {
  Pair pair(small_spec(256 * 4));
  const SequenceId first = MUST(pair.cache.create_sequence());
  const SequenceId second = MUST(pair.cache.create_sequence());
  ASSERT_TRUE(pair.cache.reserve(first, 500, 30).ok());
  EXPECT_EQ(pair.cache.blocks_available(), 1u);
  const Status refused = pair.cache.reserve(second, 257);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
  EXPECT_EQ(pair.cache.blocks_available(), 1u);
  ASSERT_TRUE(pair.cache.reserve(second, 256).ok());
  ASSERT_TRUE(pair.cache.begin_append(first, 480).ok());
  pair.cache.commit(first, 480);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(pair.cache.begin_append(first, std::vector<int32_t>{-1, -1, 0, 1}).ok());
    pair.cache.commit(first, std::vector<uint32_t>{1, 3});
  }
  EXPECT_EQ(pair.cache.length(first), 486u);
  ASSERT_TRUE(pair.cache.reserve(first, 0).ok());
  EXPECT_EQ(pair.cache.blocks_available(), 1u) << "the nodes' block is back";
  // A fork that reserves has its own last block from then on.
  const SequenceId child = MUST(pair.cache.fork(first));
  ASSERT_TRUE(pair.cache.reserve(child, 512).ok());
  EXPECT_EQ(pair.cache.blocks_available(), 0u);
  EXPECT_TRUE(pair.cache.begin_append(first, 1).ok());
  EXPECT_TRUE(pair.cache.begin_append(child, 26).ok());
}

TEST(Cache, SequencesAreBoundedAndIdsDoNotComeBack) {
  Pair pair(small_spec(512, 2));
  const SequenceId first = MUST(pair.cache.create_sequence());
  MUST(pair.cache.create_sequence());
  const auto third = pair.cache.create_sequence();
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.error().code, ErrorCode::kRefused);
  EXPECT_FALSE(pair.cache.fork(first).ok());
  pair.cache.drop(first);
  EXPECT_FALSE(MUST(pair.cache.create_sequence()) == first);
  EXPECT_DEATH(pair.cache.length(first), "CHECK failed");
  EXPECT_FALSE(pair.cache.truncate({1, 0}, 1).ok()) << "it is empty";
}

TEST(Cache, KindsToComeAndSenselessSizesAreNamed) {
  device::MemoryAccount account;
  for (const CacheKind kind :
       {CacheKind::kSlidingWindow, CacheKind::kLatent, CacheKind::kRecurrent}) {
    CacheSpec spec = small_spec(512);
    spec.layers[1].kind = kind;
    const auto cache = Cache::create(account, spec);
    ASSERT_FALSE(cache.ok());
    EXPECT_EQ(cache.error().code, ErrorCode::kRefused);
    EXPECT_NE(cache.error().message.find(cache_kind_name(kind)), std::string::npos);
    EXPECT_NE(cache.error().message.find("layer 1"), std::string::npos);
  }
  CacheSpec spec = small_spec(0);
  EXPECT_FALSE(Cache::create(account, spec).ok());
  spec = small_spec(uint64_t{1} << 40);
  EXPECT_FALSE(Cache::create(account, spec).ok());
  spec = small_spec(512);
  spec.layers[0].layout.key_dim = 0;
  EXPECT_FALSE(Cache::create(account, spec).ok());
  spec = small_spec(512);
  spec.layers.clear();
  EXPECT_FALSE(Cache::create(account, spec).ok());
  spec = small_spec(uint64_t{1} << 30);
  spec.layers.assign(60000, {CacheKind::kPaged, 16384, {ops::CacheType::kF32, 65536, 65536}});
  EXPECT_FALSE(Cache::create(account, spec).ok()) << "more than 64 bits of bytes";
  EXPECT_EQ(account.held_total(), 0u);
}

// --- Trees and attention ------------------------------------------------------------------------

std::vector<float> attend(Pair& pair, SequenceId id, uint32_t column, uint32_t pages_of) {
  const ops::KvLayout& layout = pair.cache.geometry().layout(0);
  std::vector<ops::KvPage> pages(pair.cache.page_count(id, pages_of));
  Scratch own(pair.cache.scratch_bytes(id, pages_of));
  pair.cache.pages(id, pages_of, 0, 1, pages, own.span());
  base::RandomStream random(77);
  std::vector<float> query(layout.key_dim);
  for (float& x : query) x = random.uniform() * 4 - 2;
  std::vector<float> out(layout.value_dim);
  const ops::AttentionRow row{query.data(), out.data(), 0, pair.cache.index(id, column) + 1, 0};
  Scratch scratch(ops::attention_scratch_floats(1, layout.value_dim) * sizeof(float));
  ops::attention_ref({layout, pages.data(), &row, 1, 0.5f, 0, false,
                      reinterpret_cast<float*>(scratch.span().data())});
  return out;
}

// Nodes over the edge of a chunk, each against the same tokens appended as a chain.
TEST(Cache, AttentionOverATreeEqualsAttentionOverTheChainOfItsTokens) {
  for (const uint32_t committed : {0u, 3u, 254u, 256u, 511u}) {
    Pair pair(small_spec(256 * 16), committed + 1);
    Pair::Twin twin{MUST(pair.cache.create_sequence()), {}};
    for (uint32_t i = 0; i < committed; ++i) twin.tags.push_back(pair.new_tag());
    if (committed > 0) {
      ASSERT_TRUE(pair.cache.begin_append(twin.id, committed).ok());
      pair.write(twin.id, twin.tags);
      pair.cache.commit(twin.id, committed);
    }
    const std::vector<int32_t> parents = {-1, 0, 0, 1, 2, 3, -1, 6, 4};
    Pair::Tags columns;
    for (uint64_t i = 0; i < parents.size(); ++i) columns.push_back(1000 + i);
    ASSERT_TRUE(pair.cache.begin_append(twin.id, parents).ok());
    pair.write(twin.id, columns);
    int mutants_seen = 0;
    for (uint32_t column = 0; column < columns.size(); ++column) {
      const Pair::Tags path = seen_by(twin, columns, parents, column);
      const SequenceId chain = MUST(pair.cache.create_sequence());
      ASSERT_TRUE(pair.cache.begin_append(chain, static_cast<uint32_t>(path.size())).ok());
      pair.write(chain, path);
      const auto last = static_cast<uint32_t>(path.size()) - 1;
      const auto expected = attend(pair, chain, last, last);
      const auto actual = attend(pair, twin.id, column, column);
      EXPECT_EQ(std::memcmp(actual.data(), expected.data(), actual.size() * sizeof(float)), 0);
      pair.cache.drop(chain);
      // Mutant: the pages of another node at the same depth.
      for (uint32_t other = 0; other < columns.size(); ++other) {
        if (other == column ||
            pair.cache.index(twin.id, other) != pair.cache.index(twin.id, column)) {
          continue;
        }
        EXPECT_NE(attend(pair, twin.id, column, other), actual);
        ++mutants_seen;
      }
    }
    EXPECT_GT(mutants_seen, 4);
    pair.cache.commit(twin.id, std::vector<uint32_t>{0, 2, 4, 8});
    for (const size_t column : {0u, 2u, 4u, 8u}) twin.tags.push_back(columns[column]);
    pair.expect_equal(twin);
  }
}

TEST(Cache, ADroppedPartOfAChainLeavesNoTrace) {
  Pair pair(small_spec(1024));
  Pair::Twin twin{MUST(pair.cache.create_sequence()), {}};
  for (int round = 0; round < 40; ++round) {
    Pair::Tags columns(20);
    for (uint64_t& tag : columns) tag = pair.new_tag();
    ASSERT_TRUE(pair.cache.begin_append(twin.id, 20).ok());
    pair.write(twin.id, columns);
    const uint32_t kept = pair.random.below(21);
    pair.cache.commit(twin.id, kept);
    twin.tags.insert(twin.tags.end(), columns.begin(), columns.begin() + kept);
    pair.expect_equal(twin);
  }
}

// A parent that goes back and takes another way, over chunks that its fork still reads.
TEST(Cache, TruncateGivesBlocksBackAndLeavesForksAlone) {
  Pair pair(small_spec(256 * 8));
  Pair::Twin twin{MUST(pair.cache.create_sequence()), {}};
  const auto grow = [&](uint32_t count) {
    Pair::Tags columns(count);
    for (uint64_t& tag : columns) tag = pair.new_tag();
    ASSERT_TRUE(pair.cache.begin_append(twin.id, count).ok());
    pair.write(twin.id, columns);
    pair.cache.commit(twin.id, count);
    twin.tags.insert(twin.tags.end(), columns.begin(), columns.end());
  };
  grow(700);
  EXPECT_EQ(pair.cache.blocks_available(), 5u);
  const Pair::Twin child{MUST(pair.cache.fork(twin.id)), twin.tags};
  EXPECT_EQ(pair.cache.blocks_available(), 5u);
  ASSERT_TRUE(pair.cache.truncate(twin.id, 100).ok());
  twin.tags.resize(100);
  grow(700);
  EXPECT_EQ(pair.cache.blocks_available(), 1u);
  pair.expect_equal(twin);
  pair.expect_equal(child);
  pair.cache.drop(child.id);
  EXPECT_EQ(pair.cache.blocks_available(), 4u);
  ASSERT_TRUE(pair.cache.truncate(twin.id, 257).ok());
  EXPECT_EQ(pair.cache.blocks_available(), 6u);
  ASSERT_TRUE(pair.cache.truncate(twin.id, 0).ok());
  EXPECT_EQ(pair.cache.blocks_available(), 8u);
}

TEST(Cache, CommitOfWhatIsNoPathIsABug) {
  Pair pair(small_spec(1024));
  const SequenceId id = MUST(pair.cache.create_sequence());
  ASSERT_TRUE(pair.cache.begin_append(id, std::vector<int32_t>{-1, 0, 0}).ok());
  EXPECT_DEATH(pair.cache.commit(id, std::vector<uint32_t>{1}), "CHECK failed");
  EXPECT_DEATH(pair.cache.commit(id, std::vector<uint32_t>{0, 1, 2}), "CHECK failed");
  EXPECT_DEATH(pair.cache.commit(id, std::vector<uint32_t>{0, 7}), "CHECK failed");
  EXPECT_DEATH((void)pair.cache.fork(id), "CHECK failed");
}

// --- Snapshots ----------------------------------------------------------------------------------

/// A snapshot of `length` tokens from a cache of `spec`.
Bytes snapshot_of(CacheSpec spec, uint32_t length) {
  Pair pair(std::move(spec));
  Pair::Twin twin{MUST(pair.cache.create_sequence()), {}};
  for (uint32_t i = 0; i < length; ++i) twin.tags.push_back(pair.new_tag());
  if (length > 0) {
    EXPECT_TRUE(pair.cache.begin_append(twin.id, length).ok());
    pair.write(twin.id, twin.tags);
    pair.cache.commit(twin.id, length);
  }
  return pair.snapshot(twin.id);
}

TEST(CacheSnapshot, RestoresIntoAnotherCacheBitForBit) {
  for (const uint32_t length : {0u, 1u, 256u, 300u}) {
    const Bytes bytes = snapshot_of(small_spec(512), length);
    Pair other(small_spec(4096));
    const SequenceId id = MUST(other.cache.restore(bytes));
    EXPECT_EQ(other.cache.length(id), length);
    EXPECT_EQ(other.snapshot(id), bytes);
  }
}

TEST(CacheSnapshot, OfAnotherModelOrCacheIsRefusedByName) {
  const Bytes bytes = snapshot_of(small_spec(512), 20);
  const auto refusal = [&](CacheSpec spec) {
    Pair other(std::move(spec));
    const auto restored = other.cache.restore(bytes);
    EXPECT_FALSE(restored.ok());
    EXPECT_EQ(restored.error().code, ErrorCode::kRefused);
    EXPECT_EQ(other.cache.blocks_available(), other.cache.geometry().blocks());
    return restored.error().message;
  };
  CacheSpec spec = small_spec(512);
  spec.model_id = "another";
  EXPECT_NE(refusal(spec).find("another model"), std::string::npos);
  spec = small_spec(512);
  spec.layers[0].layout.type = ops::CacheType::kF16;
  EXPECT_NE(refusal(spec).find("cache type k16v8"), std::string::npos);
  spec = small_spec(512);
  spec.layers.pop_back();
  EXPECT_NE(refusal(spec).find("2 layers"), std::string::npos);
  spec = small_spec(512);
  spec.layers[1].kv_heads = 2;
  EXPECT_NE(refusal(spec).find("1 heads"), std::string::npos);
}

TEST(CacheSnapshot, CutOrChangedBytesAreDamagedAndChangeNothing) {
  const Bytes bytes = snapshot_of(small_spec(512), 3);
  Pair other(small_spec(512));
  const auto expect_damaged = [&](const Bytes& bad, size_t at) {
    const auto restored = other.cache.restore(bad);
    ASSERT_FALSE(restored.ok()) << at;
    ASSERT_EQ(restored.error().code, ErrorCode::kDamaged) << at;
  };
  for (size_t length = 0; length < bytes.size(); ++length) {
    expect_damaged(Bytes(bytes.begin(), bytes.begin() + static_cast<long>(length)), length);
  }
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  expect_damaged(longer, longer.size());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] ^= std::byte{1} << (bit % 8);
    expect_damaged(flipped, bit);
  }
  EXPECT_EQ(other.cache.blocks_available(), 2u);
  EXPECT_TRUE(other.cache.restore(bytes).ok());
}

// Hostile rather than damaged: the header's numbers are wrong, its checksum is right.
TEST(CacheSnapshot, ALyingHeaderIsRefused) {
  const Bytes bytes = snapshot_of(small_spec(512), 3);
  const SnapshotHeader honest = MUST(parse_snapshot_header(bytes));
  const size_t header_bytes = snapshot_header_bytes(honest);
  Pair other(small_spec(512));
  const auto restore_with = [&](const SnapshotHeader& header) {
    Bytes forged(snapshot_header_bytes(header));
    write_snapshot_header(header, forged);
    forged.insert(forged.end(), bytes.begin() + static_cast<long>(header_bytes), bytes.end());
    const auto restored = other.cache.restore(forged);
    const bool ok = restored.ok();
    if (ok) other.cache.drop(restored.value());
    return ok;
  };
  EXPECT_TRUE(restore_with(honest));
  base::RandomStream random(5);
  for (int i = 0; i < 300; ++i) {
    SnapshotHeader lying = honest;
    const uint32_t what = random.below(5);
    if (what == 0) lying.positions = random.next_u32() >> random.below(32);
    if (what == 1) lying.payload_bytes = random.next_u64() >> random.below(64);
    if (what == 2) lying.layers[random.below(2)].kv_heads = random.next_u32();
    if (what == 3) lying.layers[random.below(2)].layout.key_dim = random.next_u32();
    if (what == 4) lying.layers.resize(random.below(9));
    const bool same = lying.positions == honest.positions &&
                      lying.payload_bytes == honest.payload_bytes && what < 2;
    EXPECT_EQ(restore_with(lying), same || (what == 4 && lying.layers.size() == 2));
  }
  SnapshotHeader many = honest;
  many.positions = 0xFFFFFFFFu;
  many.payload_bytes = 0xFFFFFFFFFFFFFFFFu;
  EXPECT_FALSE(restore_with(many));
  EXPECT_EQ(other.cache.blocks_available(), 2u);
}

}  // namespace
}  // namespace freehold::runtime
