#include "runtime/cache/cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "ops/attention/kv_position.h"

namespace freehold::runtime {

namespace {

constexpr uint32_t kChunk = ops::kChunkPositions;

/// Rounded up, whatever the number.
uint32_t chunks_of(uint32_t positions) {
  return positions / kChunk + (positions % kChunk != 0 ? 1 : 0);
}

}  // namespace

Result<Cache> Cache::create(device::MemoryAccount& account, CacheSpec spec) {
  PageGeometry geometry = TRY(PageGeometry::create(spec));
  PagePool pool = TRY(PagePool::create(account, geometry.block_bytes(), geometry.blocks()));
  return Cache(std::move(spec), std::move(geometry), std::move(pool));
}

Cache::Cache(CacheSpec spec, PageGeometry geometry, PagePool pool)
    : spec_(std::move(spec)), geometry_(std::move(geometry)), pool_(std::move(pool)) {}

Cache::Sequence& Cache::live(SequenceId sequence) {
  return const_cast<Sequence&>(std::as_const(*this).live(sequence));
}

const Cache::Sequence& Cache::live(SequenceId sequence) const {
  CHECK(sequence.slot < sequences_.size());
  const Sequence& found = sequences_[sequence.slot];
  CHECK(found.is_live && found.generation == sequence.generation);
  return found;
}

const Cache::Sequence& Cache::in_pass(SequenceId sequence, uint32_t column) const {
  const Sequence& found = live(sequence);
  CHECK(found.append.in_flight && column < found.append.depths.size());
  return found;
}

// --- Sequences ----------------------------------------------------------------------------------

Result<SequenceId> Cache::create_sequence() {
  const auto unused = std::find_if(sequences_.begin(), sequences_.end(),
                                   [](const Sequence& sequence) { return !sequence.is_live; });
  const auto slot = static_cast<uint32_t>(unused - sequences_.begin());
  if (slot >= spec_.sequences_max) {
    return Error{ErrorCode::kRefused,
                 fmt::format("all {} sequences of the cache are in use", spec_.sequences_max),
                 "Wait for one to end."};
  }
  if (unused == sequences_.end()) sequences_.emplace_back();
  Sequence& sequence = sequences_[slot];
  sequence.is_live = true;
  return SequenceId{slot, sequence.generation};
}

Result<SequenceId> Cache::fork(SequenceId sequence) {
  CHECK(!live(sequence).append.in_flight);
  const SequenceId child = TRY(create_sequence());
  const Sequence& from = live(sequence);
  Sequence& to = live(child);
  to.length = from.length;
  to.blocks.assign(from.blocks.begin(), from.blocks.begin() + chunks_of(from.length));
  for (const BlockId block : to.blocks) pool_.share(block);
  return child;
}

void Cache::drop(SequenceId sequence) {
  Sequence& dropped = live(sequence);
  for (const BlockId block : dropped.blocks) pool_.release(block);
  for (const BlockId block : dropped.side) pool_.release(block);
  const uint32_t generation = dropped.generation + 1;
  dropped = Sequence{};
  dropped.generation = generation;
}

Status Cache::truncate(SequenceId sequence, uint32_t length) {
  Sequence& cut = live(sequence);
  CHECK(!cut.append.in_flight);
  if (length > cut.length) {
    return Error{ErrorCode::kRefused,
                 fmt::format("a sequence of {} positions cannot be cut to {}", cut.length, length),
                 "Cut it to a shorter length."};
  }
  cut.length = length;
  cut.blocks_reserved = 0;
  cut.side_reserved = 0;
  trim(cut);
  return {};
}

Status Cache::reserve(SequenceId sequence, uint32_t positions, uint32_t tree_columns) {
  Sequence& asking = live(sequence);
  CHECK(!asking.append.in_flight);
  TRY(make_room(asking, positions, tree_columns));
  asking.blocks_reserved = chunks_of(positions);
  asking.side_reserved = chunks_of(tree_columns);
  trim(asking);
  return {};
}

/// Blocks for positions up to `end`, the one that the next position falls into not shared, and for
/// the nodes of a tree; or kRefused and no change.
Status Cache::make_room(Sequence& sequence, uint32_t end, uint32_t tree_columns) {
  const uint32_t have = static_cast<uint32_t>(sequence.blocks.size());
  const uint32_t have_side = static_cast<uint32_t>(sequence.side.size());
  const uint32_t want = std::max(have, chunks_of(end));
  const uint32_t want_side = std::max(have_side, chunks_of(tree_columns));
  const uint32_t next = sequence.length / kChunk;
  const bool copies =
      end > sequence.length && next < have && pool_.is_shared(sequence.blocks[next]);
  const uint32_t needed = (want - have) + (want_side - have_side) + (copies ? 1 : 0);
  if (needed > pool_.available()) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("the cache is full: {} more blocks of {} positions are needed ({} now, {} "
                    "asked for), {} of {} are free",
                    needed, kChunk, sequence.length, end, pool_.available(), pool_.blocks()),
        "Wait for another sequence to end, shorten the prompt, or start with a larger context."};
  }
  if (copies) unshare(sequence, next);
  while (sequence.blocks.size() < want) sequence.blocks.push_back(pool_.take());
  while (sequence.side.size() < want_side) sequence.side.push_back(pool_.take());
  return {};
}

/// Gives the sequence a copy of its own of the chunk that its length falls into.
void Cache::unshare(Sequence& sequence, uint32_t chunk) {
  const BlockId shared = sequence.blocks[chunk];
  const BlockId own = pool_.take();
  const uint32_t filled = sequence.length - chunk * kChunk;
  for (uint32_t layer = 0; layer < geometry_.layers(); ++layer) {
    for (uint32_t head = 0; head < geometry_.kv_heads(layer); ++head) {
      ops::copy_first_positions(geometry_.layout(layer),
                                geometry_.page(pool_.data(shared), layer, head), filled,
                                geometry_.page(pool_.data(own), layer, head));
    }
  }
  pool_.release(shared);
  sequence.blocks[chunk] = own;
}

/// Gives back blocks beyond both the length and the reservation.
void Cache::trim(Sequence& sequence) {
  const size_t keep = std::max(chunks_of(sequence.length), sequence.blocks_reserved);
  while (sequence.blocks.size() > keep) {
    pool_.release(sequence.blocks.back());
    sequence.blocks.pop_back();
  }
  while (sequence.side.size() > sequence.side_reserved) {
    pool_.release(sequence.side.back());
    sequence.side.pop_back();
  }
}

// --- A pass -------------------------------------------------------------------------------------

/// So that every later number fits 32 bits.
Status Cache::check_columns(size_t columns) const {
  if (columns <= spec_.positions_max) return {};
  return Error{ErrorCode::kRefused,
               fmt::format("{} columns at once are more than the cache's {} positions", columns,
                           spec_.positions_max),
               "Shorten the prompt, or start with a larger context."};
}

Status Cache::begin_append(SequenceId sequence, std::span<const int32_t> parents) {
  Sequence& grown = live(sequence);
  Append& append = grown.append;
  CHECK(!append.in_flight && !parents.empty());
  TRY(check_columns(parents.size()));
  append.parents.assign(parents.begin(), parents.end());
  append.depths.clear();
  append.is_chain = true;
  uint32_t deepest = 0;
  for (size_t i = 0; i < parents.size(); ++i) {
    const int32_t parent = parents[i];
    CHECK(parent >= -1 && parent < static_cast<int32_t>(i));
    append.is_chain &= parent == static_cast<int32_t>(i) - 1;
    append.depths.push_back(parent < 0 ? 0 : append.depths[static_cast<size_t>(parent)] + 1);
    deepest = std::max(deepest, append.depths.back());
  }
  const uint32_t nodes = append.is_chain ? 0 : static_cast<uint32_t>(parents.size());
  TRY(make_room(grown, grown.length + deepest + 1, nodes));
  append.in_flight = true;
  return {};
}

Status Cache::begin_append(SequenceId sequence, uint32_t columns) {
  TRY(check_columns(columns));
  std::vector<int32_t> parents(columns);
  for (size_t i = 0; i < parents.size(); ++i) parents[i] = static_cast<int32_t>(i) - 1;
  return begin_append(sequence, parents);
}

uint32_t Cache::index(SequenceId sequence, uint32_t column) const {
  const Sequence& grown = in_pass(sequence, column);
  return grown.length + grown.append.depths[column];
}

KvSlot Cache::slot(SequenceId sequence, uint32_t column, uint32_t layer, uint32_t kv_head) const {
  const Sequence& grown = in_pass(sequence, column);
  const bool is_chain = grown.append.is_chain;
  const uint32_t place = is_chain ? grown.length + column : column;
  const BlockId block = (is_chain ? grown.blocks : grown.side)[place / kChunk];
  return {geometry_.page(pool_.data(block), layer, kv_head), place % kChunk};
}

size_t Cache::page_count(SequenceId sequence, uint32_t column) const {
  return index(sequence, column) / kChunk + 1;
}

size_t Cache::scratch_bytes(SequenceId sequence, uint32_t column) const {
  const Sequence& grown = in_pass(sequence, column);
  if (grown.append.is_chain) return 0;
  const size_t first = grown.length / kChunk;
  return (page_count(sequence, column) - first) * geometry_.page_bytes_max();
}

void Cache::copy_committed(const Sequence& sequence, uint32_t layer, uint32_t kv_head,
                           const ops::KvPage& to) const {
  const uint32_t filled = sequence.length % kChunk;
  if (filled == 0) return;
  const BlockId block = sequence.blocks[sequence.length / kChunk];
  ops::copy_first_positions(geometry_.layout(layer),
                            geometry_.page(pool_.data(block), layer, kv_head), filled, to);
}

void Cache::pages(SequenceId sequence, uint32_t column, uint32_t layer, uint32_t kv_head,
                  std::span<ops::KvPage> out, std::span<std::byte> scratch) const {
  const Sequence& grown = in_pass(sequence, column);
  const size_t count = page_count(sequence, column);
  CHECK(out.size() >= count && scratch.size() >= scratch_bytes(sequence, column));
  const size_t first_own = grown.append.is_chain ? count : grown.length / kChunk;
  for (size_t chunk = 0; chunk < std::min(first_own, count); ++chunk) {
    out[chunk] = geometry_.page(pool_.data(grown.blocks[chunk]), layer, kv_head);
  }
  if (grown.append.is_chain) return;
  for (size_t chunk = first_own; chunk < count; ++chunk) {
    std::byte* own = scratch.data() + (chunk - first_own) * geometry_.page_bytes(layer);
    out[chunk] = geometry_.page_at(own, layer);
  }
  copy_committed(grown, layer, kv_head, out[first_own]);
  for (auto node = static_cast<int32_t>(column); node >= 0;) {
    const auto at = static_cast<size_t>(node);
    const uint32_t place = grown.length + grown.append.depths[at];
    const ops::KvPage side = geometry_.page(pool_.data(grown.side[at / kChunk]), layer, kv_head);
    ops::copy_position(geometry_.layout(layer), side, static_cast<uint32_t>(at % kChunk),
                       out[place / kChunk], place % kChunk);
    node = grown.append.parents[at];
  }
}

void Cache::move_from_side(const Sequence& sequence, std::span<const uint32_t> path) {
  for (uint32_t layer = 0; layer < geometry_.layers(); ++layer) {
    for (uint32_t head = 0; head < geometry_.kv_heads(layer); ++head) {
      for (size_t i = 0; i < path.size(); ++i) {
        const uint32_t place = sequence.length + static_cast<uint32_t>(i);
        std::byte* from = pool_.data(sequence.side[path[i] / kChunk]);
        std::byte* to = pool_.data(sequence.blocks[place / kChunk]);
        ops::copy_position(geometry_.layout(layer), geometry_.page(from, layer, head),
                           path[i] % kChunk, geometry_.page(to, layer, head), place % kChunk);
      }
    }
  }
}

void Cache::commit(SequenceId sequence, std::span<const uint32_t> path) {
  Sequence& grown = live(sequence);
  Append& append = grown.append;
  CHECK(append.in_flight);
  int32_t parent = -1;
  for (const uint32_t column : path) {
    CHECK(column < append.parents.size() && append.parents[column] == parent);
    parent = static_cast<int32_t>(column);
  }
  if (!append.is_chain) move_from_side(grown, path);
  grown.length += static_cast<uint32_t>(path.size());
  append.in_flight = false;
  trim(grown);
}

void Cache::commit(SequenceId sequence, uint32_t columns) {
  std::vector<uint32_t> path(columns);
  for (uint32_t i = 0; i < columns; ++i) path[i] = i;
  commit(sequence, path);
}

}  // namespace freehold::runtime
