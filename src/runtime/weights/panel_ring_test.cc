// The ring hands out exactly the file's bytes, in any order of completion, through short reads and
// passing errors; what it cannot vouch for fails the pass, and the next pass starts anew.

#include "runtime/weights/panel_ring.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/random.h"
#include "device/worker_pool.h"
#include "io/simulated_file_system.h"

namespace freehold::runtime {
namespace {

constexpr size_t kRowBytes = 34 * 8;  // Q8_0 of 256 values
constexpr uint64_t kRows = 48;
constexpr size_t kPanelBytes = kRowBytes * kRows;
constexpr size_t kPanels = 24;
constexpr size_t kOutputPanels = 5;
constexpr uint64_t kFirstByte = 1568;  // a multiple of 32 and of nothing larger

std::string file_content() {
  base::RandomStream random(11);
  std::string content(kFirstByte + kPanels * kPanelBytes + 100, '\0');
  for (char& byte : content) byte = static_cast<char>(random.next_u32());
  return content;
}

/// A disk with one file and a ring over it.
struct Rig {
  io::SimulatedFileSystem disk;
  device::MemoryAccount account;
  std::unique_ptr<device::WorkerPool> pool;
  std::string content = file_content();
  std::unique_ptr<io::ReadableFile> file;
  io::PanelChecksums table;
  std::unique_ptr<PanelRing> ring;

  explicit Rig(size_t slots = 6, bool checksums = false, bool read_ahead = true, size_t threads = 3,
               size_t mirrors = 0) {
    pool = MUST(device::WorkerPool::create({.threads = threads, .pin = false}));
    disk.put("/m", content);
    file = MUST(disk.open("/m"));
    std::vector<StreamedFile> sources;
    sources.emplace_back();
    sources[0].copies.push_back({MUST(file->open_direct()), file->opened_as()});
    for (size_t i = 0; i < mirrors; ++i) {
      const std::string path = mirror(i);
      disk.put(path, content);
      const auto copy = MUST(disk.open(path));
      sources[0].copies.push_back({MUST(copy->open_direct()), copy->opened_as()});
    }
    if (checksums) {
      io::PanelChecksumBuilder builder;
      builder.add(std::as_bytes(std::span(content.data(), content.size())));
      table = std::move(builder).finish();
      sources[0].checksums = &table;
    }
    std::vector<StreamedPanel> panels;
    for (size_t i = 0; i < kPanels; ++i) {
      panels.push_back({0, kFirstByte + i * kPanelBytes, kPanelBytes, kRows,
                        &quant::format(quant::FormatId::Q8_0), i >= kPanels - kOutputPanels,
                        "tensor"});
    }
    const size_t slot = checksums ? 49152 : 16384;
    ring = MUST(PanelRing::create({.account = account,
                                   .files = disk,
                                   .sources = std::move(sources),
                                   .panels = std::move(panels),
                                   .ring_bytes = slots * slot,
                                   .depth_max = 4,
                                   .read_ahead = read_ahead}));
  }

  static std::string mirror(size_t index) { return "/drive" + std::to_string(index + 1) + "/m"; }

  /// One pass by the pool; the number of panels whose bytes were wrong.
  Status pass(bool with_output, size_t* wrong = nullptr) {
    TRY(ring->begin_pass(with_output));
    const size_t panels = with_output ? kPanels : kPanels - kOutputPanels;
    constexpr uint64_t kParts = 3;  // tasks of one panel
    std::atomic<size_t> bad{0};
    pool->run(panels * kParts, [&](size_t task, size_t) {
      const auto index = static_cast<uint32_t>(task / kParts);
      const std::byte* rows = ring->acquire(index);
      if (rows == nullptr) return;
      if (std::memcmp(rows, content.data() + kFirstByte + index * kPanelBytes, kPanelBytes) != 0) {
        ++bad;
      }
      ring->release(index, kRows / kParts);
    });
    if (wrong != nullptr) *wrong = bad;
    return ring->end_pass(!ring->failed());
  }
};

class PanelRingTest : public testing::TestWithParam<size_t> {};

TEST_P(PanelRingTest, EveryPassSeesTheFile) {
  Rig rig(GetParam());
  rig.disk.set_bytes_per_call(1000);
  for (uint64_t round = 0; round < 12; ++round) {
    rig.disk.set_read_order(round);
    size_t wrong = 0;
    // Passes with and without logits in a mixed order: the second kind skips the output panels.
    rig.pass(round % 3 == 0, &wrong).value();
    EXPECT_EQ(wrong, 0u) << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Slots, PanelRingTest, testing::Values(1, 2, 6, 64));

TEST(PanelRing, ReadsWhatItPlansAndNoMore) {
  Rig rig;
  constexpr uint64_t kPasses = 8;
  for (uint64_t i = 0; i < kPasses; ++i) rig.pass(true).value();
  const auto statistics = rig.ring->statistics();
  const uint64_t planned = rig.ring->bytes_per_pass(true) * kPasses;
  EXPECT_GE(statistics.bytes_read, planned);
  // At most the ring is ahead of the last pass.
  EXPECT_LE(statistics.bytes_read, planned + rig.ring->slots() * rig.ring->slot_bytes());
  EXPECT_LT(rig.ring->bytes_per_pass(false), rig.ring->bytes_per_pass(true));
  EXPECT_EQ(statistics.retries, 0u);
}

TEST(PanelRing, WithoutReadAheadEveryPanelIsWaitedFor) {
  Rig rig(6, false, false);
  size_t wrong = 0;
  for (int i = 0; i < 3; ++i) rig.pass(true, &wrong).value();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(rig.ring->statistics().reads, 3 * kPanels);
  EXPECT_GE(rig.ring->statistics().panels_waited, 3 * kPanels);
}

TEST(PanelRing, APassingErrorIsReadAgain) {
  Rig rig;
  rig.pass(true).value();
  rig.disk.fail({.operation = io::DiskOperation::kRead, .error = EIO, .skip = 3, .times = 1});
  size_t wrong = 0;
  rig.pass(true, &wrong).value();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(rig.ring->statistics().retries, 1u);
}

TEST(PanelRing, ALastingErrorFailsThePassAndTheNextStartsAnew) {
  for (const uint64_t skip : {0u, 1u, 7u, 30u}) {
    Rig rig;
    rig.pass(true).value();
    rig.disk.fail(
        {.operation = io::DiskOperation::kRead, .error = EIO, .skip = skip, .times = 1'000'000});
    size_t failures = 0;
    for (int i = 0; i < 4; ++i) {
      const Status status = rig.pass(i % 2 == 0);
      if (status.ok()) continue;
      ++failures;
      EXPECT_EQ(status.error().code, ErrorCode::kFailed);
      EXPECT_NE(status.error().message.find("/m"), std::string::npos) << status.error().message;
    }
    EXPECT_GE(failures, 2u);
    rig.disk.clear_faults();
    size_t wrong = 0;
    for (int i = 0; i < 3; ++i) rig.pass(true, &wrong).value();
    EXPECT_EQ(wrong, 0u);
  }
}

TEST(PanelRing, RandomErrorsNeverLetWrongBytesThrough) {
  Rig rig;
  size_t failed = 0;
  for (uint64_t round = 1; round < 60; ++round) {
    rig.disk.set_random_faults(round, 0.2f);
    rig.disk.set_read_order(round);
    size_t wrong = 0;
    if (!rig.pass(round % 2 == 0, &wrong).ok()) ++failed;
    EXPECT_EQ(wrong, 0u);
  }
  EXPECT_GT(failed, 0u);
  rig.disk.clear_faults();
  rig.pass(true).value();
}

TEST(PanelRing, AFlippedBitIsCaughtByTheStoresChecksums) {
  for (const size_t byte :
       {kFirstByte, kFirstByte + 7 * kPanelBytes + 99, kFirstByte + kPanels * kPanelBytes - 1}) {
    Rig rig(6, true);
    rig.disk.flip_on_the_way("/m", byte, 3);
    // What the ring read before is whole; the pass after that reads everything again.
    const Status first = rig.pass(true);
    const Status status = first.ok() ? rig.pass(true) : first;
    ASSERT_FALSE(status.ok()) << byte;
    EXPECT_EQ(status.error().code, ErrorCode::kDamaged);
  }
}

TEST(PanelRing, AFileNobodyKnowsMustReadTheSameEveryTime) {
  Rig rig;
  rig.pass(true).value();
  rig.pass(true).value();
  rig.disk.flip_on_the_way("/m", kFirstByte + 5 * kPanelBytes, 0);
  // The ring may hold that panel from before; the pass after that reads it.
  const Status first = rig.pass(true);
  const Status second = rig.pass(true);
  EXPECT_FALSE(first.ok() && second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kDamaged);
}

TEST(PanelRing, AFileThatChangesUnderUsFailsThePassAndStaysRefused) {
  for (const bool before : {true, false}) {
    Rig rig;
    rig.pass(true).value();
    if (!before) {
      rig.ring->begin_pass(false).value();
      rig.disk.overwrite("/m", kFirstByte, "x");
      EXPECT_EQ(rig.ring->end_pass(false).error().code, ErrorCode::kDamaged);
    } else {
      rig.disk.overwrite("/m", kFirstByte, "x");
    }
    EXPECT_EQ(rig.pass(true).error().code, ErrorCode::kDamaged);
    EXPECT_EQ(rig.pass(true).error().code, ErrorCode::kDamaged);
  }
}

TEST(PanelRing, EndsWithReadsInFlight) {
  for (int i = 0; i < 20; ++i) {
    Rig rig;
    if (i % 2 == 0) rig.ring->begin_pass(true).value();
  }
}

struct Mirrored : Rig {
  explicit Mirrored(size_t mirrors = 1, size_t slots = 6) : Rig(slots, true, true, 3, mirrors) {}
};

TEST(MirroredRing, ReadsEveryCopyAndAlwaysTheFile) {
  Mirrored rig(2);
  for (uint64_t round = 0; round < 8; ++round) {
    rig.disk.set_read_order(round);
    size_t wrong = 0;
    rig.pass(round % 2 == 0, &wrong).value();
    EXPECT_EQ(wrong, 0u);
  }
  EXPECT_EQ(rig.ring->drives_live(), 3u);
  EXPECT_TRUE(rig.ring->take_notes().empty());
  EXPECT_EQ(rig.ring->statistics().retries, 0u);
}

TEST(MirroredRing, ADriveThatFailsIsGivenUpInTheMiddleOfAPass) {
  for (const std::string path : {"/m", "/drive1/m"}) {
    Mirrored rig;
    rig.pass(true).value();
    if (path == "/m") {
      // Its path is part of the other's, so that a rule cannot mean it alone.
      rig.disk.truncate(path, 100).value();
    } else {
      rig.disk.fail({.path_contains = path, .skip = 2, .times = 1'000'000});
    }
    for (int i = 0; i < 3; ++i) {
      size_t wrong = 0;
      rig.pass(true, &wrong).value();
      EXPECT_EQ(wrong, 0u);
    }
    EXPECT_EQ(rig.ring->drives_live(), 1u) << path;
    const auto notes = rig.ring->take_notes();
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_TRUE(notes[0].starts_with(path + " is not read any more, one copy is left")) << notes[0];
    EXPECT_TRUE(rig.ring->take_notes().empty());
  }
}

TEST(MirroredRing, AWrongCopyIsNeverUsed) {
  Mirrored rig;
  for (size_t panel = 0; panel < kPanels; ++panel) {
    rig.disk.flip_on_the_way(Rig::mirror(0), kFirstByte + panel * kPanelBytes + 9, 2);
  }
  for (int i = 0; i < 4; ++i) {
    size_t wrong = 0;
    rig.pass(true, &wrong).value();
    EXPECT_EQ(wrong, 0u);
  }
  EXPECT_EQ(rig.ring->drives_live(), 1u);
}

TEST(MirroredRing, AMirrorThatChangesIsGivenUpAndPassesGoOn) {
  Mirrored rig;
  rig.pass(true).value();
  rig.disk.overwrite(Rig::mirror(0), kFirstByte, "x");
  for (int i = 0; i < 3; ++i) {
    size_t wrong = 0;
    rig.pass(true, &wrong).value();
    EXPECT_EQ(wrong, 0u);
  }
  EXPECT_EQ(rig.ring->drives_live(), 1u);
  // The last one is not given up: its change fails the pass, as without mirrors.
  rig.disk.overwrite("/m", kFirstByte, "x");
  EXPECT_EQ(rig.pass(true).error().code, ErrorCode::kDamaged);
}

TEST(MirroredRing, WhereAllDrivesFailThePassFailsAndTheNextStartsAnew) {
  Mirrored rig(2);
  rig.pass(true).value();
  rig.disk.fail({.path_contains = "m", .times = 1'000'000});
  // What the ring read before is whole; the pass after that reads everything again.
  const Status first = rig.pass(true);
  const Status second = rig.pass(true);
  EXPECT_FALSE(first.ok() && second.ok());
  EXPECT_EQ(rig.ring->drives_live(), 1u);
  rig.disk.clear_faults();
  size_t wrong = 0;
  for (int i = 0; i < 3; ++i) rig.pass(true, &wrong).value();
  EXPECT_EQ(wrong, 0u);
}

TEST(MirroredRing, RandomErrorsOnOneDriveFailNoPass) {
  Mirrored rig(1, 12);
  base::RandomStream random(7);
  for (uint64_t round = 1; round < 40; ++round) {
    rig.disk.clear_faults();
    rig.disk.fail({.path_contains = "drive1", .skip = random.below(30), .times = random.below(3)});
    rig.disk.set_read_order(round);
    size_t wrong = 0;
    rig.pass(round % 3 != 0, &wrong).value();
    EXPECT_EQ(wrong, 0u);
  }
}

}  // namespace
}  // namespace freehold::runtime
