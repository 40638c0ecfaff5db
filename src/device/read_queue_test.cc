// Here and not in io, because a queue of threads needs device::Thread to be lent to it.
// One suite for every way to keep many reads in flight: the machine's two backends, on a disk and
// on a file system without direct reads, and the simulated disk's.

#include "io/read_queue.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/random.h"
#include "device/thread.h"
#include "io/file.h"
#include "io/simulated_file_system.h"

namespace freehold::io {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kFileBytes = 3'000'123;  // ends inside a unit
constexpr size_t kDepth = 6;

/// Where a suite's file is and who reads it.
struct Place {
  const char* name;
  ReadBackend backend;
  const char* folder;  // nullptr: the simulated disk
};

std::string content_of(size_t bytes) {
  base::RandomStream random(21);
  std::string content(bytes, '\0');
  for (char& byte : content) byte = static_cast<char>(random.next_u32());
  return content;
}

/// Page-aligned memory.
struct Memory {
  explicit Memory(size_t bytes) : size(bytes) {
    start = static_cast<std::byte*>(std::aligned_alloc(kPage, bytes));
  }
  ~Memory() { std::free(start); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  std::byte* start;
  size_t size;
};

class ReadQueueTest : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    content_ = content_of(kFileBytes);
    if (GetParam().folder == nullptr) {
      auto disk = std::make_unique<SimulatedFileSystem>();
      disk->put("/file", content_);
      disk->set_read_order(5);
      disk->set_bytes_per_call(70'000);
      simulated_ = disk.get();
      files_ = std::move(disk);
      path_ = "/file";
    } else {
      files_ = make_system_files();
      const std::string folder =
          *GetParam().folder == '\0' ? testing::TempDir() : GetParam().folder;
      path_ = folder + "/freehold-read-queue-" + std::to_string(::getpid());
      auto out = MUST(files_->create(path_, WriteMode::kTruncate));
      MUST(out->append(std::as_bytes(std::span(content_.data(), content_.size()))));
      MUST(out->sync());
      MUST(out->close());
    }
    file_ = MUST(files_->open(path_));
    direct_ = MUST(file_->open_direct());
    memory_ = std::make_unique<Memory>(kDepth * kSlot);
    auto queue = files_->make_read_queue(
        GetParam().backend, {.depth = kDepth, .memory = {memory_->start, memory_->size}});
    if (!queue.ok()) {
      EXPECT_EQ(queue.error().code, ErrorCode::kRefused);
      GTEST_SKIP() << queue.error().message;
    }
    queue_ = std::move(queue).value();
    for (size_t i = 0; i < queue_->serving_threads(); ++i) {
      threads_.push_back(MUST(device::Thread::create("serve", [this] { queue_->serve(); })));
    }
  }
  void TearDown() override {
    if (queue_ != nullptr) queue_->close();
    threads_.clear();
    if (GetParam().folder != nullptr) std::filesystem::remove(path_);
  }

  QueuedRead read(uint64_t slot, uint64_t offset, size_t bytes) const {
    const size_t unit = direct_->alignment();
    const uint64_t begin = offset / unit * unit;
    const uint64_t end = (offset + bytes + unit - 1) / unit * unit;
    return {direct_.get(),
            begin,
            {memory_->start + slot * kSlot, static_cast<size_t>(end - begin)},
            static_cast<size_t>(std::min<uint64_t>(offset + bytes, kFileBytes) - begin),
            slot};
  }

  static constexpr size_t kSlot = 256 * 1024;
  std::string content_;
  std::string path_;
  std::unique_ptr<FileSystem> files_;
  SimulatedFileSystem* simulated_ = nullptr;
  std::unique_ptr<ReadableFile> file_;
  std::unique_ptr<DirectFile> direct_;
  std::unique_ptr<Memory> memory_;
  std::unique_ptr<ReadQueue> queue_;
  std::vector<device::Thread> threads_;
};

TEST_P(ReadQueueTest, ReadsAreTheFilesBytesWithTheWholeDepthInFlight) {
  base::RandomStream random(8);
  std::map<uint64_t, QueuedRead> in_flight;
  size_t done = 0;
  std::array<FinishedRead, 3> finished;
  while (done < 300) {
    for (uint64_t slot = 0; slot < kDepth; ++slot) {
      if (in_flight.contains(slot)) continue;
      const uint64_t offset = random.below(kFileBytes - 1);
      const size_t bytes = std::min<size_t>(1 + random.below(200'000), kFileBytes - offset);
      const QueuedRead asked = read(slot, offset, bytes);
      queue_->submit(asked).value();
      in_flight.emplace(slot, asked);
    }
    const size_t count = queue_->wait(finished);
    ASSERT_GE(count, 1u);
    for (size_t i = 0; i < count; ++i) {
      finished[i].status.value();
      const QueuedRead& asked = in_flight.at(finished[i].tag);
      EXPECT_EQ(std::memcmp(asked.into.data(), content_.data() + asked.offset, asked.bytes_needed),
                0);
      in_flight.erase(finished[i].tag);
      ++done;
    }
  }
  while (!in_flight.empty()) {
    const size_t count = queue_->wait(finished);
    for (size_t i = 0; i < count; ++i) in_flight.erase(finished[i].tag);
  }
}

TEST_P(ReadQueueTest, AFileThatEndsTooSoonIsDamage) {
  QueuedRead asked = read(0, kFileBytes - 1000, 1000);
  asked.bytes_needed = asked.into.size();  // beyond the end
  queue_->submit(asked).value();
  std::array<FinishedRead, 1> finished;
  ASSERT_EQ(queue_->wait(finished), 1u);
  ASSERT_FALSE(finished[0].status.ok());
  EXPECT_EQ(finished[0].status.error().code, ErrorCode::kDamaged);
  EXPECT_NE(finished[0].status.error().message.find(path_), std::string::npos);
}

TEST_P(ReadQueueTest, IdentityAndSizeAreTheFiles) {
  EXPECT_EQ(direct_->size(), kFileBytes);
  EXPECT_TRUE(MUST(direct_->identity()) == MUST(file_->identity()));
  EXPECT_GE(direct_->alignment(), 512u);
  EXPECT_EQ(direct_->alignment() & (direct_->alignment() - 1), 0u);
}

INSTANTIATE_TEST_SUITE_P(Backends, ReadQueueTest,
                         testing::Values(Place{"uring", ReadBackend::kUring, ""},
                                         Place{"threads", ReadBackend::kThreads, ""},
                                         Place{"uring_in_memory", ReadBackend::kUring, "/dev/shm"},
                                         Place{"threads_in_memory", ReadBackend::kThreads,
                                               "/dev/shm"},
                                         Place{"simulated", ReadBackend::kAuto, nullptr}),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(ReadQueue, TheSimulatedDiskFinishesInAnotherOrder) {
  SimulatedFileSystem disk;
  disk.put("/f", content_of(64 * 512));
  disk.set_read_order(3);
  const auto direct = MUST(MUST(disk.open("/f"))->open_direct());
  const auto queue = MUST(disk.make_read_queue(ReadBackend::kAuto, {.depth = 8, .memory = {}}));
  Memory memory(8 * kPage);
  std::vector<uint64_t> order;
  for (uint64_t tag = 0; tag < 8; ++tag) {
    queue->submit({direct.get(), tag * 512, {memory.start + tag * kPage, 512}, 512, tag}).value();
  }
  std::array<FinishedRead, 8> finished;
  while (order.size() < 8) {
    const size_t count = queue->wait(finished);
    for (size_t i = 0; i < count; ++i) order.push_back(finished[i].tag);
  }
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
}

TEST(ReadQueue, ADiskErrorIsToldByPathAndReason) {
  SimulatedFileSystem disk;
  disk.put("/f", content_of(4096));
  const auto direct = MUST(MUST(disk.open("/f"))->open_direct());
  const auto queue = MUST(disk.make_read_queue(ReadBackend::kAuto, {.depth = 1, .memory = {}}));
  disk.fail({.operation = DiskOperation::kRead, .error = EIO});
  Memory memory(kPage);
  std::array<FinishedRead, 1> finished;
  for (const bool fine : {false, true}) {
    queue->submit({direct.get(), 0, {memory.start, kPage}, kPage, 0}).value();
    ASSERT_EQ(queue->wait(finished), 1u);
    EXPECT_EQ(finished[0].status.ok(), fine);
  }
}

}  // namespace
}  // namespace freehold::io
