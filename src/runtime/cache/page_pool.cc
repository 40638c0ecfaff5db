#include "runtime/cache/page_pool.h"

namespace freehold::runtime {

Result<PagePool> PagePool::create(device::MemoryAccount& account, size_t block_bytes,
                                  uint32_t blocks) {
  PagePool pool;
  pool.memory_ =
      TRY(device::Buffer::create(account, device::MemoryUse::kCache, block_bytes * blocks));
  pool.base_ = pool.memory_.data();
  pool.block_bytes_ = block_bytes;
  pool.holders_.resize(blocks);
  // The last is taken first: blocks fill from the start of the buffer.
  for (uint32_t i = blocks; i > 0; --i) pool.free_.push_back(i - 1);
  return pool;
}

PagePool::BlockId PagePool::take() {
  CHECK(!free_.empty());
  const BlockId block = free_.back();
  free_.pop_back();
  holders_[block] = 1;
  return block;
}

void PagePool::share(BlockId block) {
  CHECK(holders_[block] > 0);
  ++holders_[block];
}

void PagePool::release(BlockId block) {
  CHECK(holders_[block] > 0);
  if (--holders_[block] == 0) free_.push_back(block);
}

}  // namespace freehold::runtime
