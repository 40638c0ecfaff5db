// Store::pull_from: a file from elsewhere into the store, in parts that a later run goes on after.
// Where its SHA-256 is known it is hashed while it arrives and must agree; where it is not, what
// the file was when the pull began is remembered, so that no model is ever put together from two.

#include "store/remote_pull.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "store/blob_writer.h"
#include "store/licence.h"
#include "store/source/ask.h"
#include "store/source/reference.h"
#include "store/store.h"

namespace freehold::store {

namespace {

constexpr uint64_t kSpareBytes = uint64_t{1} << 20;
constexpr std::string_view kGgufMagic = "GGUF";
/// A try that brought this much got on; those after it are counted anew.
constexpr uint64_t kProgressBytes = uint64_t{64} << 10;
constexpr uint64_t kPartBytesMin = uint64_t{1} << 20;
constexpr uint64_t kPartBytesMax = uint64_t{64} << 20;
constexpr uint64_t kPartsWanted = 64;
constexpr uint64_t kSourceFileBytesMax = 8192;

std::string source_file(const std::string& work) { return work + "/source"; }
std::string blob_file(const std::string& work) { return work + "/model"; }

std::vector<uint64_t> part_ends(uint64_t bytes, uint64_t part_bytes) {
  if (part_bytes == 0) part_bytes = std::clamp(bytes / kPartsWanted, kPartBytesMin, kPartBytesMax);
  std::vector<uint64_t> ends;
  for (uint64_t end = part_bytes; end < bytes; end += part_bytes) ends.push_back(end);
  ends.push_back(bytes);
  return ends;
}

/// Forgets what an earlier run brought if it was of another file. The first line says where it came
/// from, the second which version it was.
Status keep_same_source(io::FileSystem& files, const std::string& work, const RemoteModel& model,
                        const Source& source, Observer& observer) {
  // A known hash is the version: another mirror may go on with the same file.
  const std::string version = model.sha256.empty() ? sha256_of(source.version()) : model.sha256;
  const std::string now = fmt::format("{}\n{}\n", model.reference, version);
  const Result<std::string> before =
      io::read_small_file(files, source_file(work), kSourceFileBytesMax);
  if (before.ok() && *before == now) return {};
  if (!before.ok() || !before->ends_with(fmt::format("\n{}\n", version))) {
    if (before.ok()) observer.on_note("the file there is another one now; starting anew");
    TRY(remove_tree(files, work));
    TRY(files.make_directories(work));
  }
  return write_durably(files, work + "/source.partial", source_file(work), now);
}

/// As the source says it, under the id that is known here.
StatedLicence licence_of(const RemoteModel& model) {
  StatedLicence stated;
  if (model.licence.empty()) return stated;
  const Licence* const known = find_licence(model.licence);
  stated.id = known == nullptr ? model.licence : std::string(known->id);
  stated.title = known == nullptr ? model.licence_title : std::string(known->title);
  return stated;
}

/// Brings a source's bytes into the writer, part by part, try after try.
class Carrier {
 public:
  Carrier(Source& source, const RemotePull& wanted, std::vector<uint64_t> ends, BlobWriter& writer,
          Observer& observer)
      : source_(source),
        wanted_(wanted),
        ends_(std::move(ends)),
        writer_(writer),
        observer_(observer) {}

  Status bring() {
    int failures = 0;
    while (writer_.size() < ends_.back()) {
      const uint64_t before = writer_.size();
      const Status read =
          source_.read(before, [this](std::span<const std::byte> bytes) { return take(bytes); });
      if (!ended_.ok()) return ended_;  // ours: the disk, a person, no model
      if (read.ok() && writer_.size() == ends_.back()) return {};
      const Error error =
          read.ok() ? Error{ErrorCode::kFailed, "the source ended early", {}} : read.error();
      if (error.code != ErrorCode::kFailed) return error;
      failures = writer_.size() - before >= kProgressBytes ? 1 : failures + 1;
      TRY(pause(error, failures));
    }
    return {};
  }

 private:
  Status pause(const Error& error, int failures) {
    if (failures >= wanted_.tries) {
      return Error{error.code, fmt::format("{} (tried {} times in a row)", error.message, failures),
                   "what was fetched is kept; run the same command to go on"};
    }
    const int64_t pause_ms = TRY(pause_before(failures + 1, source_.retry_after_seconds(), error));
    const Error at{error.code,
                   fmt::format("{} after {} of {}", error.message,
                               base::human_bytes(writer_.size()), base::human_bytes(ends_.back())),
                   error.hint};
    observer_.on_note(note_of_try(at, failures + 1, wanted_.tries, pause_ms));
    return source_.rest(pause_ms);
  }

  Status take(std::span<const std::byte> bytes) {
    ended_ = write(bytes);
    return ended_;
  }

  Status write(std::span<const std::byte> bytes) {
    if (bytes.size() > ends_.back() - writer_.size()) {
      return Error{ErrorCode::kDamaged, "the source sends more than it said", {}};
    }
    TRY(check_magic(bytes));
    while (!bytes.empty()) {
      if (observer_.cancelled()) {
        return interrupted("the pull was stopped",
                           "what was fetched is kept; run the same command to go on");
      }
      const size_t part = writer_.parts_done();
      const auto piece = bytes.first(
          static_cast<size_t>(std::min<uint64_t>(ends_[part] - writer_.size(), bytes.size())));
      TRY(writer_.add(piece));
      bytes = bytes.subspan(piece.size());
      observer_.on_progress({.phase = Phase::kFetching,
                             .bytes_done = writer_.size(),
                             .bytes_total = ends_.back(),
                             .part = part + 1,
                             .parts = ends_.size()});
      if (writer_.size() == ends_[part]) TRY(writer_.end_part());
    }
    return {};
  }

  /// The file's first bytes, before more of it is fetched.
  Status check_magic(std::span<const std::byte> bytes) {
    for (size_t i = 0; i < bytes.size() && writer_.size() + i < kGgufMagic.size(); ++i) {
      if (static_cast<char>(bytes[i]) == kGgufMagic[writer_.size() + i]) continue;
      return Error{ErrorCode::kDamaged,
                   base::printable(wanted_.model.reference, 200) + " is not a GGUF file",
                   "give the file itself, not a page about it"};
    }
    return {};
  }

  Source& source_;
  const RemotePull& wanted_;
  const std::vector<uint64_t> ends_;
  BlobWriter& writer_;
  Observer& observer_;
  Status ended_;
};

}  // namespace

std::string Store::remote_key(const RemotePull& wanted) {
  // Stands in for the hash that is not known before the work is done.
  if (wanted.model.sha256.empty()) return sha256_of("address " + wanted.model.reference);
  return wanted.model.sha256;
}

Result<bool> Store::take_remote_from_here(const RemotePull& wanted, ModelRecord& record,
                                          Observer& observer) {
  const Result<ModelRecord> there = read_record(record.name);
  const std::string& sha256 = wanted.model.sha256;
  const bool same_source = there.ok() && there->source == wanted.model.reference &&
                           wanted.model.bytes.value_or(there->bytes) == there->bytes;
  const bool same = sha256.empty() ? same_source : there.ok() && same_model(*there, record);
  if (same && blob_is_whole(there->sha256, there->bytes)) {
    record = *there;
    return true;  // without writing: a store that is read-only serves what it has
  }
  if (sha256.empty()) return false;
  TRY(check_name_free(record));
  const Result<io::FileIdentity> blob = files().stat(paths_.blob(sha256));
  if (!blob.ok()) return false;
  // Under another name already, or left without one by a run that died at its end.
  const auto lock = TRY(lock_or_wait(files(), paths_.store_lock(), "the store is busy", observer));
  record.bytes = blob->size;
  if (wanted.model.licence.empty())
    set_licence(record, stated_licence(files(), paths_.blob(sha256)));
  if (!exists(files(), paths_.blob(sha256))) return false;
  TRY(check_name_free(record));
  TRY(write_record(*lock, record));
  return true;
}

Status Store::bring_remote(const RemotePull& wanted, const std::string& work, ModelRecord& record,
                           PullReport& report, Observer& observer) {
  const std::unique_ptr<Source> source = TRY(wanted.open());
  record.bytes = source->size();
  TRY(files().make_directories(work));
  TRY(keep_same_source(files(), work, wanted.model, *source, observer));
  const std::vector<uint64_t> ends = part_ends(record.bytes, wanted.part_bytes);
  observer.on_progress({.phase = Phase::kChecking, .bytes_total = ends.back()});
  BlobWriter writer = TRY(
      BlobWriter::resume(files(), blob_file(work), ends, [&] { return !observer.cancelled(); }));
  report.parts_resumed = writer.parts_done();
  if (report.parts_resumed > 0) {
    observer.on_note(fmt::format("going on after {}", base::human_bytes(writer.size())));
  }
  TRY(check_space(files(), paths_.home(), record.bytes - writer.size() + kSpareBytes));
  const Status brought = Carrier(*source, wanted, ends, writer, observer).bring();
  if (!brought.ok()) {
    if (writer.size() == 0) (void)remove_tree(files(), work).ok();  // nothing to go on with
    return brought.error();
  }
  const BlobHashes hashes = TRY(std::move(writer).finish());
  record.sha256 = hashes.sha256;
  if (wanted.model.licence.empty()) set_licence(record, stated_licence(files(), blob_file(work)));
  if (!wanted.model.sha256.empty() && wanted.model.sha256 != hashes.sha256) {
    (void)remove_tree(files(), work).ok();
    return Error{ErrorCode::kDamaged,
                 fmt::format("what {} holds has the SHA-256 {}, not {}; it was thrown away",
                             base::printable(wanted.model.reference, 200), hashes.sha256,
                             wanted.model.sha256),
                 "pull it again; if that does not help, the source holds another file"};
  }
  const auto lock = TRY(lock_or_wait(files(), paths_.store_lock(), "the store is busy", observer));
  TRY(check_name_free(record));
  if (!blob_is_whole(record.sha256, record.bytes)) {
    TRY(publish_blob(*lock, blob_file(work), record.sha256, hashes.panels));
  }
  return write_record(*lock, record);
}

Result<PullReport> Store::pull_from(const RemotePull& wanted, Observer& observer) {
  PullReport report;
  ModelRecord& record = report.record;
  const RemoteModel& model = wanted.model;
  record.name = TRY(parse_name(wanted.name));
  record.sha256 = model.sha256;
  set_licence(record, licence_of(model));
  record.description = model.description;
  record.source = model.reference;
  record.settings = model.settings;
  record.added_s = services_.clock.wall_ns() / 1'000'000'000;
  // Without a hash only the same source counts as here; nothing is written, no folder made.
  const Result<ModelRecord> there = read_record(record.name);
  const bool may_be_here = there.ok() || !model.sha256.empty();
  report.already_here = may_be_here && TRY(take_remote_from_here(wanted, record, observer));
  if (report.already_here) return report;
  if (!wanted.open) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("{} is not here, and --offline forbids fetching it", short_text(record.name)),
        "pull it without --offline, or import a file"};
  }
  TRY(check_name_free(record));
  TRY(make_folders());
  const std::string key = remote_key(wanted);
  const auto pulling = TRY(lock_or_wait(files(), paths_.pull_lock(key),
                                        "another process is pulling it; waiting", observer));
  // It may have come while we waited.
  report.already_here = TRY(take_remote_from_here(wanted, record, observer));
  if (!report.already_here) TRY(bring_remote(wanted, paths_.work(key), record, report, observer));
  (void)remove_tree(files(), paths_.work(key)).ok();
  return report;
}

Result<ModelRecord> Store::find_by_source(std::string_view reference) const {
  const auto parsed = parse_reference(reference);
  const std::string source = parsed.ok() && *parsed ? (*parsed)->text : std::string(reference);
  for (const ModelRecord& record : TRY(list()).models) {
    if (record.source == source && blob_is_whole(record.sha256, record.bytes)) return record;
  }
  return Error{ErrorCode::kNotFound,
               fmt::format("{} is not in the store", base::printable(reference, 200)),
               fmt::format("fetch it: freehold pull {}", io::shown_address(source))};
}

Status Store::discard_pull(std::string_view reference) {
  const auto works = files().list(paths_.temporary());
  for (const io::DirectoryEntry& work : works.ok() ? *works : std::vector<io::DirectoryEntry>()) {
    const std::string path = paths_.temporary() + "/" + work.name;
    const auto source = io::read_small_file(files(), source_file(path), kSourceFileBytesMax);
    if (!source.ok() || source->substr(0, source->find('\n')) != reference) continue;
    const auto lock = TRY(files().lock(paths_.locks() + "/" + work.name, 0));
    if (lock == nullptr) {
      return Error{ErrorCode::kRefused, "it is being pulled right now", "stop that pull first"};
    }
    return remove_tree(files(), path);
  }
  return Error{ErrorCode::kNotFound,
               fmt::format("nothing of {} is kept", base::printable(reference, 200)),
               "models are removed by name: freehold ls"};
}

}  // namespace freehold::store
