#pragma once
// The cache: what the layers of one model remember of every sequence (DESIGN.md, section 2). It
// owns the pool of pages; sequences hold tables of blocks (one block = one chunk of 256 positions
// of all layers and heads), shared between forks and copied when one of them writes.
//
// A pass: begin_append() for each sequence in it; then for each layer its workers write keys and
// values at slot() and attend over pages(); then commit() with what stays. Columns continue the
// sequence as a chain, and are written in place, or form a tree, where several nodes may claim one
// position: those wait in blocks of their own until committed.
//
// Threads: one owner calls everything. During a pass (between begin_append and commit) any worker
// may call the const functions and read and write the pages they name, each slot from one worker.
// Not here: who may enter (the scheduler asks reserve()), and what attention computes.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "device/memory.h"
#include "ops/attention/kv_layout.h"
#include "runtime/cache/cache_spec.h"
#include "runtime/cache/page_pool.h"

namespace freehold::runtime {

/// Names a sequence of one cache. A dropped one's id is never valid again.
struct SequenceId {
  uint32_t slot = 0;
  uint32_t generation = 0;
  bool operator==(const SequenceId&) const = default;
};

/// Where one column's key and value of one layer and head are written (ops/kv_write).
struct KvSlot {
  ops::KvPage page;
  uint32_t position = 0;  // within the page, 0 to 255
};

/// Using an id that is not live, or calling out of the order below, is a bug and CHECKed.
class Cache {
 public:
  /// Refuses (kRefused) what PageGeometry or the system's memory cannot give. `account` outlives
  /// the cache.
  static Result<Cache> create(device::MemoryAccount& account, CacheSpec spec);

  const CacheSpec& spec() const { return spec_; }
  const PageGeometry& geometry() const { return geometry_; }
  uint32_t blocks_available() const { return pool_.available(); }

  // --- Sequences: between passes ---------------------------------------------------------------

  /// An empty sequence. kRefused where sequences_max are live.
  Result<SequenceId> create_sequence();

  /// A second sequence with the same content; shares all blocks until one of the two writes. Ends
  /// what reserve() promised to `sequence`, where its last block is partly filled.
  Result<SequenceId> fork(SequenceId sequence);

  /// Forgets the sequence, an append in flight included.
  void drop(SequenceId sequence);

  /// Keeps the first `length` positions; ends what reserve() promised. kRefused above the length.
  Status truncate(SequenceId sequence, uint32_t length);

  uint32_t length(SequenceId sequence) const { return live(sequence).length; }

  /// Holds room for `positions` in all and trees of `tree_columns` nodes at a time: appends within
  /// them cannot fail. kRefused, with the numbers and nothing changed, where the pool cannot. A
  /// second call replaces the first; with 0 it gives back what is not used.
  Status reserve(SequenceId sequence, uint32_t positions, uint32_t tree_columns = 0);

  // --- A pass ----------------------------------------------------------------------------------

  /// Starts an append of parents.size() >= 1 columns. parents[i] is the column that column i
  /// follows, below i, or -1: the end of the sequence. kRefused, with the numbers and nothing
  /// changed, where the pool is full.
  Status begin_append(SequenceId sequence, std::span<const int32_t> parents);
  /// The same for a chain.
  Status begin_append(SequenceId sequence, uint32_t columns);

  /// Index in the sequence of a column of the append in flight: it sees the keys [0, index].
  uint32_t index(SequenceId sequence, uint32_t column) const;
  KvSlot slot(SequenceId sequence, uint32_t column, uint32_t layer, uint32_t kv_head) const;

  /// Pages a column sees: index / 256 + 1.
  size_t page_count(SequenceId sequence, uint32_t column) const;
  /// Scratch that pages() needs for the column; 0 for a chain.
  size_t scratch_bytes(SequenceId sequence, uint32_t column) const;
  /// Fills out[chunk] for every chunk that the column sees: committed keys, and its own and its
  /// ancestors', whose slots must be written. A tree's column gets its last chunks copied into
  /// `scratch` (64-byte aligned, untouched while the pages are read).
  void pages(SequenceId sequence, uint32_t column, uint32_t layer, uint32_t kv_head,
             std::span<ops::KvPage> out, std::span<std::byte> scratch) const;

  /// Ends the append. `path`, a column after -1 and each the child of the one before, joins the
  /// sequence; every other column is dropped. Empty: nothing stays. Cannot fail.
  void commit(SequenceId sequence, std::span<const uint32_t> path);
  /// The first `columns` of a chain.
  void commit(SequenceId sequence, uint32_t columns);

  // --- Snapshots: between passes ---------------------------------------------------------------

  /// Size of the sequence's snapshot.
  uint64_t snapshot_bytes(SequenceId sequence) const;
  /// Writes it to `out`, exactly snapshot_bytes long: README.md describes the format. Nothing of
  /// other sequences is in it.
  void snapshot(SequenceId sequence, std::span<std::byte> out) const;
  /// A new sequence from a snapshot, bit for bit. kDamaged where the bytes are not a whole and
  /// sound snapshot; kRefused where it is of another model or cache, or the pool is full. Safe
  /// with hostile bytes.
  Result<SequenceId> restore(std::span<const std::byte> bytes);

 private:
  using BlockId = PagePool::BlockId;

  struct Append {
    bool in_flight = false;
    bool is_chain = true;
    std::vector<int32_t> parents;
    std::vector<uint32_t> depths;  // positions after the sequence's end, from 0
  };
  struct Sequence {
    bool is_live = false;
    uint32_t generation = 0;
    uint32_t length = 0;
    uint32_t blocks_reserved = 0;
    uint32_t side_reserved = 0;
    std::vector<BlockId> blocks;  // by chunk; may reach beyond the length
    std::vector<BlockId> side;    // nodes of a tree, by column
    Append append;
  };

  Cache(CacheSpec spec, PageGeometry geometry, PagePool pool);
  Sequence& live(SequenceId sequence);
  const Sequence& live(SequenceId sequence) const;
  const Sequence& in_pass(SequenceId sequence, uint32_t column) const;
  Status check_columns(size_t columns) const;
  Status make_room(Sequence& sequence, uint32_t end, uint32_t tree_columns);
  void unshare(Sequence& sequence, uint32_t chunk);
  void trim(Sequence& sequence);
  void move_from_side(const Sequence& sequence, std::span<const uint32_t> path);
  void copy_committed(const Sequence& sequence, uint32_t layer, uint32_t kv_head,
                      const ops::KvPage& to) const;

  CacheSpec spec_;
  PageGeometry geometry_;
  PagePool pool_;
  std::vector<Sequence> sequences_;
};

}  // namespace freehold::runtime
