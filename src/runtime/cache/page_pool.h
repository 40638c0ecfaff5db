#pragma once
// Blocks of one size in one buffer, counted by how many hold them. Not a cache: it knows no
// sequences. All memory is reserved at the start (the system hands out a page of it when it is
// first written). One thread; the bytes of blocks may be read and written by others meanwhile.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "device/memory.h"

namespace freehold::runtime {

class PagePool {
 public:
  using BlockId = uint32_t;

  /// `account` outlives the pool.
  static Result<PagePool> create(device::MemoryAccount& account, size_t block_bytes,
                                 uint32_t blocks);

  uint32_t blocks() const { return static_cast<uint32_t>(holders_.size()); }
  uint32_t available() const { return static_cast<uint32_t>(free_.size()); }

  /// A block with one holder; what is in it is left from its last use. CHECKs available() > 0.
  BlockId take();
  /// One more holder.
  void share(BlockId block);
  /// One holder less; without any the block is available again.
  void release(BlockId block);
  bool is_shared(BlockId block) const { return holders_[block] > 1; }

  /// Constness of the pool is about who holds what, not about the bytes.
  std::byte* data(BlockId block) const { return base_ + size_t{block} * block_bytes_; }

 private:
  device::Buffer memory_;
  std::byte* base_ = nullptr;
  size_t block_bytes_ = 0;
  std::vector<uint32_t> holders_;
  std::vector<BlockId> free_;
};

}  // namespace freehold::runtime
