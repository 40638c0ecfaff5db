// The expert cache hands out exactly the file's bytes, whatever is there, in any order of
// completion, through short reads and passing errors; what it cannot vouch for fails the pass and
// nothing more. Counters keep what is popular; recency alone reads more.

#include "runtime/weights/expert_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "base/random.h"
#include "io/simulated_file_system.h"

namespace freehold::runtime {
namespace {

constexpr uint32_t kLayers = 3;
constexpr uint32_t kExperts = 12;
constexpr size_t kRowBytes = 34 * 8;  // Q8_0 of 256 values
constexpr size_t kRows[] = {16, 16, 40};
constexpr uint64_t kFirstByte = 1568;

uint64_t matrix_offset(uint32_t layer, size_t piece) {
  uint64_t offset = kFirstByte + uint64_t{layer} * kExperts * (16 + 16 + 40) * kRowBytes;
  for (size_t i = 0; i < piece; ++i) offset += kExperts * kRows[i] * kRowBytes;
  return offset;
}

struct Rig {
  io::SimulatedFileSystem disk;
  device::MemoryAccount account;
  std::unique_ptr<device::WorkerPool> pool;
  std::string content;
  std::unique_ptr<io::ReadableFile> file;
  io::PanelChecksums table;
  std::unique_ptr<ExpertCache> cache;

  explicit Rig(size_t slots, bool checksums = false,
               ExpertCache::Eviction eviction = ExpertCache::Eviction::kLeastFrequent) {
    pool = MUST(device::WorkerPool::create({.threads = 3, .pin = false}));
    base::RandomStream random(5);
    content.resize(matrix_offset(kLayers, 0) + 77);
    for (char& byte : content) byte = static_cast<char>(random.next_u32());
    disk.put("/m", content);
    file = MUST(disk.open("/m"));
    std::vector<StreamedFile> sources;
    sources.emplace_back();
    sources[0].copies.push_back({MUST(file->open_direct()), file->opened_as()});
    if (checksums) {
      io::PanelChecksumBuilder builder;
      builder.add(std::as_bytes(std::span(content.data(), content.size())));
      table = std::move(builder).finish();
      sources[0].checksums = &table;
    }
    std::vector<std::vector<ExpertPiece>> units;
    for (uint32_t layer = 0; layer < kLayers; ++layer) {
      for (uint32_t expert = 0; expert < kExperts; ++expert) {
        std::vector<ExpertPiece> unit;
        for (size_t piece = 0; piece < 3; ++piece) {
          const size_t bytes = kRows[piece] * kRowBytes;
          unit.push_back({0,
                          {matrix_offset(layer, piece) + expert * bytes, bytes, kRows[piece],
                           &quant::format(quant::FormatId::Q8_0)},
                          "tensor"});
        }
        units.push_back(std::move(unit));
      }
    }
    // Aligned to the disk's 512 bytes, or to whole checksum units, and to pages.
    const size_t piece_bytes = checksums ? 32768 : 12288;
    cache = MUST(ExpertCache::create({.account = account,
                                      .pool = *pool,
                                      .files = disk,
                                      .sources = std::move(sources),
                                      .units = std::move(units),
                                      .experts = kExperts,
                                      .bytes = slots * 3 * piece_bytes,
                                      .depth_max = 8,
                                      .eviction = eviction}));
    EXPECT_EQ(cache->slots(), std::min<size_t>(std::max<size_t>(slots, 1), kLayers * kExperts));
  }

  /// A pass that wants `experts` of every layer; the number of experts whose bytes were wrong.
  Status pass(const std::set<uint32_t>& experts, size_t* wrong = nullptr) {
    TRY(cache->begin_pass());
    std::vector<ExpertWish> wishes;
    for (const uint32_t expert : experts) wishes.push_back({expert, 1});
    for (uint32_t layer = 0; layer < kLayers && !cache->failed(); ++layer) {
      cache->begin_layer(layer, wishes);
      std::set<uint32_t> seen;
      std::vector<ExpertCache::Ready> ready;
      while (cache->next(ready)) {
        for (const ExpertCache::Ready& one : ready) {
          EXPECT_TRUE(seen.insert(one.expert).second);
          for (size_t piece = 0; piece < 3; ++piece) {
            const size_t bytes = kRows[piece] * kRowBytes;
            const char* want = content.data() + matrix_offset(layer, piece) + one.expert * bytes;
            const bool same = std::memcmp(one.rows[piece], want, bytes) == 0;
            if (!same && wrong != nullptr) ++*wrong;
          }
        }
      }
      EXPECT_TRUE(cache->failed() || seen == experts);
    }
    return cache->end_pass();
  }
};

std::set<uint32_t> some_experts(base::RandomStream& random, uint32_t count) {
  std::set<uint32_t> experts;
  while (experts.size() < count) experts.insert(random.below(kExperts));
  return experts;
}

class ExpertCacheTest : public testing::TestWithParam<size_t> {};

TEST_P(ExpertCacheTest, EveryPassSeesTheFile) {
  for (const bool checksums : {false, true}) {
    Rig rig(GetParam(), checksums);
    rig.disk.set_bytes_per_call(1000);
    base::RandomStream random(GetParam());
    for (uint64_t round = 0; round < 30; ++round) {
      rig.disk.set_read_order(round);
      size_t wrong = 0;
      // From one token's experts to a prompt's.
      rig.pass(some_experts(random, 1 + static_cast<uint32_t>(round) % kExperts), &wrong).value();
      EXPECT_EQ(wrong, 0u) << round;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Slots, ExpertCacheTest, testing::Values(0, 1, 2, 5, 20, 36, 100));

TEST(ExpertCache, ReadsNothingTwiceThatIsThere) {
  Rig rig(kLayers * kExperts);
  base::RandomStream random(1);
  for (int round = 0; round < 40; ++round) rig.pass(some_experts(random, 4)).value();
  const auto& statistics = rig.cache->statistics();
  EXPECT_LE(statistics.misses, uint64_t{kLayers * kExperts});
  EXPECT_EQ(statistics.reads, statistics.misses * 3);
  EXPECT_EQ(statistics.hits + statistics.misses, uint64_t{40 * 4 * kLayers});
}

/// Bytes read for tokens whose routers prefer some experts, as trained ones do, over a cache of a
/// third of them.
uint64_t bytes_for_skewed_tokens(ExpertCache::Eviction eviction) {
  Rig rig(kLayers * kExperts / 3, false, eviction);
  base::RandomStream random(3);
  for (int token = 0; token < 400; ++token) {
    std::set<uint32_t> experts;
    while (experts.size() < 3) {
      const bool popular = random.below(10) < 7;
      experts.insert(popular ? random.below(4) : 4 + random.below(kExperts - 4));
    }
    rig.pass(experts).value();
  }
  return rig.cache->statistics().bytes_read;
}

TEST(ExpertCache, CountersReadLessThanRecency) {
  const uint64_t counted = bytes_for_skewed_tokens(ExpertCache::Eviction::kLeastFrequent);
  const uint64_t recent = bytes_for_skewed_tokens(ExpertCache::Eviction::kLeastRecent);
  EXPECT_LT(counted, recent * 9 / 10);
}

TEST(ExpertCache, APassingErrorCostsARetry) {
  Rig rig(4);
  rig.disk.fail({.operation = io::DiskOperation::kRead, .error = EIO, .skip = 1, .times = 1});
  size_t wrong = 0;
  rig.pass({1, 2, 3}, &wrong).value();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(rig.cache->statistics().retries, 1u);
}

TEST(ExpertCache, AFlippedBitFailsThePassAndTheNextIsWhole) {
  for (const size_t piece : {0u, 1u, 2u}) {
    Rig rig(5, true);
    rig.pass({4, 5}).value();
    const uint64_t at = matrix_offset(1, piece) + 7 * kRows[piece] * kRowBytes + 99;
    rig.disk.flip_on_the_way("/m", at, 3);
    rig.pass({4, 5}).value();  // not read
    const Status failed = rig.pass({4, 7});
    EXPECT_EQ(failed.error().code, ErrorCode::kDamaged) << piece;
    rig.disk.clear_faults();
    size_t wrong = 0;
    rig.pass({4, 5, 6, 7, 8, 9}, &wrong).value();
    EXPECT_EQ(wrong, 0u);
  }
}

TEST(ExpertCache, WithoutChecksumsWhatWasReadOnceMustBeReadAgain) {
  Rig rig(1);
  rig.pass({7, 8}).value();
  rig.disk.flip_on_the_way("/m", matrix_offset(2, 2) + 7 * kRows[2] * kRowBytes + 5, 1);
  const Status failed = rig.pass({7});
  EXPECT_EQ(failed.error().code, ErrorCode::kDamaged);
  EXPECT_NE(failed.error().message.find("differently"), std::string::npos);
}

TEST(ExpertCache, RandomErrorsNeverLetWrongBytesThrough) {
  Rig rig(5);
  base::RandomStream random(9);
  size_t failed = 0;
  for (uint64_t round = 1; round < 80; ++round) {
    rig.disk.set_random_faults(round, 0.2f);
    rig.disk.set_read_order(round);
    size_t wrong = 0;
    if (!rig.pass(some_experts(random, 3), &wrong).ok()) ++failed;
    EXPECT_EQ(wrong, 0u);
  }
  EXPECT_GT(failed, 0u);
  rig.disk.clear_faults();
  rig.pass({1, 2}).value();
}

TEST(ExpertCache, EndsWithReadsInFlight) {
  for (int i = 0; i < 20; ++i) {
    Rig rig(6);
    rig.cache->begin_pass().value();
    const ExpertWish wishes[] = {{1, 1}, {2, 1}, {3, 1}};
    rig.cache->begin_layer(0, wishes);
    std::vector<ExpertCache::Ready> ready;
    if (i % 2 == 0) rig.cache->next(ready);
  }
}

TEST(ExpertCache, AFileThatChangesIsNoticed) {
  Rig rig(4);
  rig.pass({1}).value();
  rig.disk.overwrite("/m", 10, "x");
  EXPECT_EQ(rig.pass({1}).error().code, ErrorCode::kDamaged);
}

}  // namespace
}  // namespace freehold::runtime
