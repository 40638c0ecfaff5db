// A file from elsewhere comes into the store whole and once: after failures of the network, a
// power loss at any change, and never put together from two versions of it.

#include "store/remote_pull.h"

#include "store/source/reference.h"
#include "store/store_fixture.h"

namespace freehold::store {
namespace {

constexpr const char* kAddress = "http://example.org/models/Tiny-Q4.gguf";

/// A server that is a disk of its own.
struct Rig {
  io::SimulatedFileSystem server;
  io::SimulatedFileSystem disk;
  io::SimulatedProcesses processes{[](const io::ProcessCommand&, const std::function<bool()>&) {
    return Result<io::ProcessOutcome>(Error{ErrorCode::kFailed, "none is needed", {}});
  }};
  base::SimulatedClock clock;
  Catalogue catalogue = Catalogue::parse(TestModel(1000, 1).catalogue_json).value();
  std::string content = make_model(150'000, 3);
  std::vector<std::string> notes;
  size_t opened = 0;

  struct Watcher final : Observer {
    Rig& rig;
    explicit Watcher(Rig& of) : rig(of) {}
    void on_note(const std::string& note) override { rig.notes.push_back(note); }
  };

  Rig() { server.put("/file", content); }
  Store store() { return Store::open({disk, processes, clock, catalogue}, "/home"); }
  Result<PullReport> pull(const std::string& sha256 = {}, bool offline = false) {
    Watcher watcher(*this);
    RemotePull wanted{.model = {.reference = kAddress, .sha256 = sha256},
                      .name = "tiny-q4",
                      .part_bytes = 20'000};
    if (!offline) {
      wanted.open = [this] {
        ++opened;
        return open_file_source(server, "/file", 30'000);
      };
    }
    return store().pull_from(wanted, watcher);
  }
  void expect_whole(const std::string& want) {
    const ModelRecord record = MUST(store().show("tiny-q4"));
    EXPECT_EQ(record.sha256, sha256_of(want));
    EXPECT_EQ(disk.content(store().blob_path(record)), want);
  }
};

TEST(RemotePullTest, BringsTheFileOnceAndServesItOffline) {
  Rig rig;
  const PullReport report = MUST(rig.pull(sha256_of(rig.content)));
  EXPECT_FALSE(report.already_here);
  EXPECT_EQ(report.record.source, kAddress);
  rig.expect_whole(rig.content);
  EXPECT_TRUE(MUST(rig.pull()).already_here);
  EXPECT_TRUE(MUST(rig.pull({}, true)).already_here);
  EXPECT_EQ(rig.opened, 1u);
  Rig fresh;
  EXPECT_EQ(fresh.pull({}, true).error().code, ErrorCode::kRefused);
}

TEST(RemotePullTest, AnotherHashOrNoModelIsThrownAway) {
  Rig rig;
  const auto wrong = rig.pull(std::string(64, 'a'));
  EXPECT_EQ(wrong.error().code, ErrorCode::kDamaged);
  EXPECT_NE(wrong.error().message.find(sha256_of(rig.content)), std::string::npos);
  EXPECT_FALSE(rig.store().show("tiny-q4").ok());
  rig.server.put("/file", "<html>not found</html>");
  EXPECT_EQ(rig.pull().error().code, ErrorCode::kDamaged);
}

TEST(RemotePullTest, PassingFailuresAreTriedAgainAndLastingOnesKeepWhatIsThere) {
  Rig rig;
  rig.server.fail({.operation = io::DiskOperation::kRead, .error = EIO, .skip = 1, .times = 2});
  MUST(rig.pull());
  rig.expect_whole(rig.content);
  EXPECT_EQ(rig.notes.size(), 2u);
  Rig lasting;
  lasting.server.fail(
      {.operation = io::DiskOperation::kRead, .error = EIO, .skip = 2, .times = 1'000});
  EXPECT_EQ(lasting.pull().error().code, ErrorCode::kFailed);
  EXPECT_FALSE(lasting.store().show("tiny-q4").ok());
  lasting.server.clear_faults();
  EXPECT_EQ(MUST(lasting.pull()).parts_resumed, 3u);
  lasting.expect_whole(lasting.content);
}

TEST(RemotePullTest, AFileThatChangedBetweenRunsIsFetchedAnew) {
  for (const bool same_bytes : {true, false}) {
    Rig rig;
    rig.server.fail(
        {.operation = io::DiskOperation::kRead, .error = EIO, .skip = 2, .times = 1'000});
    EXPECT_FALSE(rig.pull().ok());  // ends in the middle, with parts kept
    rig.server.clear_faults();
    const std::string now = same_bytes ? rig.content : make_model(150'000, 9);
    rig.server.put("/file", now);  // another version
    EXPECT_EQ(MUST(rig.pull()).parts_resumed, 0u);
    rig.expect_whole(now);
    EXPECT_NE(rig.notes.back().find("starting anew"), std::string::npos);
  }
}

TEST(RemotePullTest, APowerLossAtAnyChangeLeavesTheOldOrTheNew) {
  for (const bool known : {false, true}) {
    for (uint64_t changes = 0; changes < 60; ++changes) {
      Rig rig;
      const std::string sha256 = known ? sha256_of(rig.content) : std::string();
      rig.disk.lose_power_after(changes);
      (void)rig.pull(sha256);
      rig.disk.restart(changes + 1);
      const auto before = rig.store().show("tiny-q4");
      if (before.ok()) rig.expect_whole(rig.content);
      MUST(rig.pull(sha256));
      rig.expect_whole(rig.content);
    }
  }
}

TEST(RemotePullTest, AFullDiskIsNamedAndGoneOnWith) {
  Rig rig;
  rig.disk.set_capacity(100'000);
  const Error before = rig.pull().error();
  EXPECT_EQ(before.code, ErrorCode::kFailed);
  EXPECT_NE(before.message.find("no space: this needs"), std::string::npos) << before.message;
  EXPECT_FALSE(rig.store().show("tiny-q4").ok());
  Rig during;
  during.disk.fail(
      {.operation = io::DiskOperation::kAppend, .error = ENOSPC, .skip = 6, .times = 1});
  const Error full = during.pull().error();
  EXPECT_EQ(full.code, ErrorCode::kFailed) << full.message;
  EXPECT_FALSE(during.store().show("tiny-q4").ok());
  EXPECT_GT(MUST(during.pull()).parts_resumed, 0u);
  during.expect_whole(during.content);
}

/// The catalogue's model at the hub, which the fixture's catalogue names first.
Result<PullReport> pull_by_name(SimulatedStore& rig, const TestModel& model, io::FileSystem& hub,
                                const std::string& sha256, Observer& observer) {
  PullOptions options;
  options.find_elsewhere = [&](const std::string& reference) -> Result<RemotePull> {
    EXPECT_EQ(reference, "hf.co/t/t/t.gguf");
    if (sha256.empty()) return Error{ErrorCode::kFailed, "nobody there", {}};
    RemotePull wanted;
    wanted.model.reference = reference;
    wanted.model.sha256 = sha256;
    wanted.model.bytes = model.content.size();
    wanted.open = [&hub] { return open_file_source(hub, "/file", 30'000); };
    return wanted;
  };
  return rig.open().pull("tiny", options, observer);
}

TEST(RemotePullTest, TheCatalogueAsksThePublisherFirstAndOthersWhereItCannot) {
  const TestModel model(150'000, 3);
  io::SimulatedFileSystem hub;
  hub.put("/file", model.content);
  {
    SimulatedStore rig(model);
    TestObserver observer;
    MUST(pull_by_name(rig, model, hub, sha256_of(model.content), observer));
    EXPECT_TRUE(rig.fetched.empty());
    EXPECT_EQ(MUST(rig.open().show("tiny")).third_party, false);
    EXPECT_EQ(rig.disk.content(MUST(rig.open().resolve("tiny"))), model.content);
  }
  for (const std::string& there : {std::string(), std::string(64, 'b')}) {
    SimulatedStore rig(model);
    TestObserver observer;
    MUST(pull_by_name(rig, model, hub, there, observer));
    EXPECT_EQ(rig.fetched.size(), 3u);
    EXPECT_NE(observer.notes.find("passed over a source"), std::string::npos);
    EXPECT_EQ(rig.disk.content(MUST(rig.open().resolve("tiny"))), model.content);
  }
  // The right name and the wrong bytes: told, and nothing is visible.
  hub.put("/file", make_model(150'000, 77));
  SimulatedStore rig(model);
  TestObserver observer;
  const auto lied = pull_by_name(rig, model, hub, sha256_of(model.content), observer);
  EXPECT_EQ(lied.error().code, ErrorCode::kDamaged);
  EXPECT_FALSE(rig.open().show("tiny").ok());
}

TEST(RemotePullTest, WhatWasKeptCanBeThrownAway) {
  Rig rig;
  EXPECT_EQ(rig.store().discard_pull(kAddress).error().code, ErrorCode::kNotFound);
  rig.server.fail({.operation = io::DiskOperation::kRead, .error = EIO, .skip = 2, .times = 1'000});
  EXPECT_FALSE(rig.pull().ok());
  rig.store().discard_pull(kAddress).value();
  EXPECT_EQ(rig.store().discard_pull(kAddress).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace freehold::store
