#pragma once
// Test support for the store: small models cut into packages, a catalogue of them, a package client
// that serves them on the simulated disk, and an observer that checks what it is told. Not for the
// program.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/random.h"
#include "io/simulated_file_system.h"
#include "store/sha256.h"
#include "store/store.h"
#include "store/zip_maker.h"

namespace freehold::store {

/// Bytes that look like a model and pack to about a half.
inline std::string make_model(size_t size, uint64_t seed) {
  base::RandomStream random(seed);
  std::string text = "GGUF";
  while (text.size() < size) text += static_cast<char>(random.next_u32() & 15u);
  return text;
}

/// A model, its packages by name, and its catalogue.
struct TestModel {
  std::string content;
  std::map<std::string, std::string> packages;
  std::string catalogue_json;

  TestModel(size_t size, size_t parts, uint64_t seed = 1) : content(make_model(size, seed)) {
    base::JsonWriter json(catalogue_json);
    json.begin_object().field("version", 1).key("models").begin_array().begin_object();
    json.key("names").begin_array().value("tiny:one").value("tiny").end_array();
    json.field("description", "A test").field("architecture", "llama").field("upstream", "t/t");
    json.field("bytes", content.size()).field("sha256", sha256_of(content));
    json.key("licence").begin_object().field("id", "MIT").field("title", "MIT").end_object();
    json.key("sources").begin_array();
    json.begin_object().field("kind", "hub").field("repository", "t/t").field("file", "t.gguf");
    json.end_object();
    json.begin_object().field("kind", "python-package").field("third_party", true);
    json.key("parts").begin_array();
    for (size_t i = 0; i < parts; ++i) {
      const size_t begin = size * i / parts;
      const std::string part = content.substr(begin, size * (i + 1) / parts - begin);
      const std::string name = "tiny-part" + std::string(1, static_cast<char>('1' + i));
      ZipMaker wheel;
      wheel.add("p/__init__.py", "", true);
      wheel.add("p/data/part.bin", part, true);
      packages[name] = wheel.finish();
      json.begin_object().field("package", name).field("version", "1.0");
      json.field("member", "*/data/*.bin").field("bytes", part.size());
      json.field("fetch_bytes", packages[name].size()).end_object();
    }
    json.end_array().end_object().end_array().end_object().end_array().end_object();
  }
};

/// Checks that progress never goes back, and keeps what it hears.
class TestObserver final : public Observer {
 public:
  void on_progress(const Progress& progress) override {
    if (progress.phase == Phase::kWaiting) {
      ++waits;
    } else {
      EXPECT_LE(progress.bytes_done, progress.bytes_total);
      EXPECT_GE(progress.bytes_done, last.bytes_done);
      EXPECT_LE(progress.part, progress.parts);
      last = progress;
    }
    ++calls;
  }
  void on_note(const std::string& note) override { notes += note + "\n"; }
  bool cancelled() override { return calls >= cancel_after; }

  Progress last;
  std::string notes;
  int calls = 0;
  int waits = 0;
  int cancel_after = 1 << 30;
};

/// What a package client is asked for.
struct ClientRequest {
  std::string folder;
  std::string package;
  std::string version;
};

inline ClientRequest parse_request(const io::ProcessCommand& command) {
  ClientRequest request;
  for (size_t i = 0; i + 1 < command.arguments.size(); ++i) {
    if (command.arguments[i] == "-d") request.folder = command.arguments[i + 1];
  }
  const std::string& last = command.arguments.back();
  request.package = last.substr(0, last.find("=="));
  request.version = last.substr(last.find("==") + 2);
  return request;
}

/// A store on the simulated disk with a client that serves `model`'s packages.
class SimulatedStore {
 public:
  explicit SimulatedStore(const TestModel& model)
      : packages(model.packages),
        catalogue(Catalogue::parse(model.catalogue_json).value()),
        processes([this](const auto& command, const auto& keep_going) {
          return serve(command, keep_going);
        }) {}

  Store open() { return Store::open({disk, processes, clock, catalogue}, "/disk/store"); }

  io::SimulatedFileSystem disk;
  std::map<std::string, std::string> packages;
  Catalogue catalogue;
  base::SimulatedClock clock{1'700'000'000'000'000'000};
  io::SimulatedProcesses processes;
  std::vector<std::string> fetched;
  std::function<Result<io::ProcessOutcome>(const ClientRequest&)> instead;

 private:
  Result<io::ProcessOutcome> serve(const io::ProcessCommand& command,
                                   const std::function<bool()>& keep_going) {
    const ClientRequest request = parse_request(command);
    if (instead) return instead(request);
    if (!keep_going()) return Error{ErrorCode::kInterrupted, "stopped", {}};
    fetched.push_back(request.package);
    const std::string path = request.folder + "/" + request.package + "-1.0-py3-none-any.whl";
    const std::string& bytes = packages.at(request.package);
    const auto written = [&]() -> Status {
      auto file = TRY(disk.create(path, io::WriteMode::kTruncate));
      TRY(file->append(std::as_bytes(std::span(bytes.data(), bytes.size()))));
      return file->close();
    }();
    (void)keep_going();
    if (written.ok()) return io::ProcessOutcome{0, ""};
    return io::ProcessOutcome{1, "ERROR: " + written.error().message};
  }
};

}  // namespace freehold::store
