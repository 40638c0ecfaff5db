#include "store/store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "store/model_file.h"
#include "store/puller.h"
#include "store/source/reference.h"

namespace freehold::store {

namespace {

constexpr std::string_view kRecordEnding = ".json";
constexpr std::string_view kAsidePrefix = ".new-";
constexpr std::string_view kBlobPrefix = "sha256-";
constexpr std::string_view kSidecarEnding = ".crc32c";
constexpr std::string_view kAsideEnding = ".new";

/// An Error with the path of what was read before it.
Error within(const Error& error, const std::string& path) {
  return Error{error.code, path + ": " + error.message, error.hint};
}

}  // namespace

Store Store::open(const StoreServices& services, std::string home) {
  return Store(services, std::move(home));
}

Error Store::no_such_model(std::string_view text) const {
  const Result<ModelName> name = parse_name(text);
  if (!name.ok()) return name.error();
  const std::string shown = short_text(*name);
  std::string hint;
  if (services_.catalogue.find(*name) != nullptr) {
    hint = fmt::format("fetch it: freehold pull {}", shown);
  } else if (const auto close = services_.catalogue.suggest(shown); !close.empty()) {
    hint = fmt::format("did you mean {}?", fmt::join(close, " or "));
  } else {
    hint = "see what is here: freehold ls; a file works too: ./model.gguf";
  }
  return Error{ErrorCode::kNotFound, fmt::format("there is no model {} in the store", shown), hint};
}

Result<ModelRecord> Store::read_record(const ModelName& name) const {
  const std::string path = paths_.record(name);
  const Result<std::string> text = io::read_small_file(files(), path, kRecordBytesMax);
  if (!text.ok()) {
    if (text.error().code == ErrorCode::kNotFound) return no_such_model(name.text());
    return text.error();
  }
  Result<ModelRecord> record = parse_record(*text);
  if (!record.ok()) return within(record.error(), path);
  if (record->name != name) {
    return Error{ErrorCode::kDamaged,
                 fmt::format("{} is the record of {}", path, record->name.text()),
                 "remove the name and pull or import the model again"};
  }
  return record;
}

Result<std::string> Store::resolve(std::string_view model) const { return TRY(find(model)).path; }

Result<FoundModel> Store::found_record(ModelRecord record) const {
  FoundModel found;
  if (!blob_is_whole(record.sha256, record.bytes)) {
    return Error{ErrorCode::kDamaged,
                 fmt::format("the data of {} is missing or cut: {}", short_text(record.name),
                             paths_.blob(record.sha256)),
                 fmt::format("remove and fetch it again: freehold rm {0}; freehold pull {0}",
                             short_text(record.name))};
  }
  found.path = paths_.blob(record.sha256);
  found.settings = std::move(record.settings);
  found.licence = std::move(record.licence);
  return found;
}

Result<FoundModel> Store::find(std::string_view model) const {
  FoundModel found;
  if (is_foreign_name(model)) {
    ForeignModel foreign = TRY(find_foreign(model));
    found.path = std::move(foreign.path);
    found.settings = std::move(foreign.settings);
    found.notes = std::move(foreign.notes);
    return found;
  }
  if (is_path(model)) {
    found.path = model;
    const Result<io::FileIdentity> there = files().stat(found.path);
    if (there.ok()) return found;
    // What was typed to pull it names it too.
    Result<ModelRecord> pulled = find_by_source(model);
    if (!pulled.ok()) return is_reference(model) ? pulled.error() : there.error();
    return found_record(std::move(pulled).value());
  }
  return found_record(TRY(show(model)));
}

Result<ModelRecord> Store::show(std::string_view name) const {
  return read_record(TRY(parse_name(name)));
}

Result<StoreListing> Store::list() const {
  StoreListing listing;
  const Result<std::vector<io::DirectoryEntry>> models = files().list(paths_.models());
  if (!models.ok()) {
    if (models.error().code == ErrorCode::kNotFound) return listing;
    return models.error();
  }
  for (const io::DirectoryEntry& model : *models) {
    if (!model.is_directory) continue;
    const std::string folder = paths_.models() + "/" + model.name;
    for (const io::DirectoryEntry& entry : TRY(files().list(folder))) {
      if (entry.name.starts_with('.') || !entry.name.ends_with(kRecordEnding)) continue;
      const std::string tag = entry.name.substr(0, entry.name.size() - kRecordEnding.size());
      const Result<ModelName> name = parse_name(model.name + ":" + tag);
      Result<ModelRecord> record = name.ok() ? read_record(*name) : name.error();
      if (record.ok()) {
        listing.models.push_back(*std::move(record));
      } else {
        listing.broken.push_back(within(record.error(), folder + "/" + entry.name).message);
      }
    }
  }
  return listing;
}

Result<ForeignModel> Store::find_foreign(std::string_view name) const {
  return store::find_foreign(files(), services_.foreign, name);
}

ForeignListing Store::list_foreign() const {
  return store::list_foreign(files(), services_.foreign);
}

Status Store::make_folders() {
  for (const std::string& folder :
       {paths_.blobs(), paths_.models(), paths_.temporary(), paths_.locks()}) {
    const Status made = files().make_directories(folder);
    if (made.ok()) continue;
    Error error = made.error();
    if (error.code == ErrorCode::kRefused) {
      error.hint =
          "the store cannot be written; choose another with FREEHOLD_HOME, or change its "
          "permissions";
    }
    return error;
  }
  return {};
}

Result<std::unique_ptr<io::FileLock>> Store::lock_for_change() {
  TRY(make_folders());
  // Changes under this lock take milliseconds; nobody holds it while fetching or hashing.
  constexpr int kWait_ms = 30'000;
  std::unique_ptr<io::FileLock> lock = TRY(files().lock(paths_.store_lock(), kWait_ms));
  if (lock == nullptr) {
    return Error{ErrorCode::kFailed,
                 fmt::format("the store at {} stays locked by another process", paths_.home()),
                 "wait for it, or end it"};
  }
  clear_leftovers(*lock);
  return lock;
}

void Store::clear_leftovers(const io::FileLock& held) {
  // Clearing is a courtesy: what cannot be cleared now is left for the next time.
  const auto models = files().list(paths_.models());
  if (!models.ok()) return;
  for (const io::DirectoryEntry& model : *models) {
    if (!model.is_directory) continue;
    const std::string folder = paths_.models() + "/" + model.name;
    const auto entries = files().list(folder);
    if (!entries.ok()) continue;
    for (const io::DirectoryEntry& entry : *entries) {
      if (!entry.name.starts_with(kAsidePrefix)) continue;
      if (!files().remove(folder + "/" + entry.name).ok()) return;
    }
  }
  remove_unnamed_blobs(held);
  clear_finished_work();
}

void Store::remove_unnamed_blobs(const io::FileLock&) {
  const Result<StoreListing> listing = list();
  // A record that cannot be read may name any blob, so then none is removed.
  if (!listing.ok() || !listing->broken.empty()) return;
  std::set<std::string> named;
  for (const ModelRecord& record : listing->models) {
    named.insert(std::string(kBlobPrefix) + record.sha256);
  }
  const auto blobs = files().list(paths_.blobs());
  if (!blobs.ok()) return;
  for (const io::DirectoryEntry& blob : *blobs) {
    if (!blob.name.starts_with(kBlobPrefix)) continue;
    std::string_view base = blob.name;
    if (base.ends_with(kAsideEnding)) base.remove_suffix(kAsideEnding.size());
    if (base.ends_with(kSidecarEnding)) base.remove_suffix(kSidecarEnding.size());
    const bool aside = blob.name.ends_with(kAsideEnding);
    if (!aside && named.contains(std::string(base))) continue;
    if (!files().remove(paths_.blobs() + "/" + blob.name).ok()) return;
  }
}

/// Work folders of pulls whose blob is there, and of imports that died.
void Store::clear_finished_work() {
  const auto works = files().list(paths_.temporary());
  if (!works.ok()) return;
  for (const io::DirectoryEntry& work : *works) {
    const std::string path = paths_.temporary() + "/" + work.name;
    const bool pull = work.name.starts_with(kBlobPrefix);
    if (pull && !exists(files(), paths_.blobs() + "/" + work.name)) continue;
    if (!pull && path != paths_.import_work()) continue;
    const auto lock = files().lock(paths_.locks() + "/" + work.name, 0);
    if (!lock.ok() || *lock == nullptr) continue;  // somebody is at it
    if (!remove_tree(files(), path).ok()) return;
  }
}

bool Store::blob_is_whole(const std::string& sha256, uint64_t bytes) const {
  const Result<io::FileIdentity> there = files().stat(paths_.blob(sha256));
  return there.ok() && there->size == bytes;
}

Status Store::check_name_free(const ModelRecord& record, Replace replace) const {
  const auto refuse_other_case = [&record](const auto& entries,
                                           const std::string& wanted) -> Status {
    for (const io::DirectoryEntry& entry : entries) {
      if (entry.name == wanted || !same_but_for_case(entry.name, wanted)) continue;
      return Error{ErrorCode::kRefused,
                   fmt::format("{} differs from a name that is there only in upper and lower case",
                               short_text(record.name)),
                   "choose another name"};
    }
    return {};
  };
  const auto models = files().list(paths_.models());
  if (models.ok()) TRY(refuse_other_case(*models, record.name.name));
  const auto tags = files().list(paths_.model(record.name));
  if (tags.ok()) TRY(refuse_other_case(*tags, record.name.tag + std::string(kRecordEnding)));
  const Result<ModelRecord> there = read_record(record.name);
  const bool made_anew =
      there.ok() && there->source == kCreatedSource && replace == Replace::kCreated;
  if (there.ok() && !made_anew && !same_model(*there, record)) {
    return Error{ErrorCode::kRefused,
                 fmt::format("{} is already the name of another model", short_text(record.name)),
                 fmt::format("choose another name, or: freehold rm {}", short_text(record.name))};
  }
  return {};
}

Status Store::write_record(const io::FileLock&, const ModelRecord& record) {
  const std::string text = encode_record(record);
  if (text.size() > kRecordBytesMax) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("the record of {} would have {}, at most {} are kept", short_text(record.name),
                    base::human_bytes(text.size()), base::human_bytes(kRecordBytesMax)),
        "shorten its system prompt, messages or licence"};
  }
  TRY(files().make_directories(paths_.model(record.name)));
  const std::string aside =
      paths_.model(record.name) + "/" + std::string(kAsidePrefix) + record.name.tag;
  return write_durably(files(), aside, paths_.record(record.name), text);
}

Status Store::publish_blob(const io::FileLock&, const std::string& temporary,
                           const std::string& sha256, const io::PanelChecksums& panels) {
  const std::string blob = paths_.blob(sha256);
  const std::string sidecar = io::panel_checksums_path(blob);
  TRY(write_durably(files(), sidecar + std::string(kAsideEnding), sidecar, panels.encode()));
  TRY(files().rename(temporary, blob));
  return files().sync_directory(paths_.blobs());
}

Status Store::remove(std::string_view text) {
  const ModelName name = TRY(parse_name(text));
  const Result<ModelRecord> record = read_record(name);
  const CatalogueModel* known = services_.catalogue.find(name);
  if (!record.ok() && record.error().code == ErrorCode::kNotFound) {
    // No such name; perhaps the beginning of one.
    if (known == nullptr || !exists(files(), paths_.work(known->sha256))) return record.error();
    const auto lock = TRY(files().lock(paths_.pull_lock(known->sha256), 0));
    if (lock == nullptr) {
      return Error{ErrorCode::kRefused, short_text(name) + " is being pulled right now",
                   "stop that pull first"};
    }
    return remove_tree(files(), paths_.work(known->sha256));
  }
  {
    const std::unique_ptr<io::FileLock> lock = TRY(lock_for_change());
    TRY(files().remove(paths_.record(name)));
    TRY(files().sync_directory(paths_.model(name)));
    // The folder goes with its last tag; a folder that is not empty stays.
    (void)files().remove(paths_.model(name)).ok();
    remove_unnamed_blobs(*lock);
  }
  return {};
}

Status Store::copy(std::string_view from, std::string_view to) {
  const ModelName target = TRY(parse_name(to));
  const std::unique_ptr<io::FileLock> lock = TRY(lock_for_change());
  ModelRecord record = TRY(show(from));
  record.name = target;
  TRY(check_name_free(record));
  return write_record(*lock, record);
}

Result<ModelRecord> Store::create(std::string_view name, std::string_view base,
                                  const ModelSettings& settings) {
  const ModelName target = TRY(parse_name(name));
  TRY(show(base));  // before a folder is made
  const std::unique_ptr<io::FileLock> lock = TRY(lock_for_change());
  ModelRecord record = TRY(show(base));
  record.name = target;
  record.settings = TRY(settings_over(record.settings, settings));
  record.source = kCreatedSource;
  record.added_s = services_.clock.wall_ns() / 1'000'000'000;
  TRY(check_name_free(record, Replace::kCreated));
  TRY(write_record(*lock, record));
  remove_unnamed_blobs(*lock);
  return record;
}

Result<PullReport> Store::pull(std::string_view name, const PullOptions& options,
                               Observer& observer) {
  return Puller(*this, options, observer).pull(name);
}

Result<std::string> store_home(const std::function<const char*(const char*)>& environment) {
  const auto get = [&environment](const char* name) -> std::string {
    const char* value = environment(name);
    return value == nullptr ? "" : value;
  };
  // The XDG rules: a relative XDG_DATA_HOME is to be ignored. Ours may be relative to where we are.
  const std::string own = get("FREEHOLD_HOME");
  if (!own.empty()) return own;
  const std::string data = get("XDG_DATA_HOME");
  if (data.starts_with('/')) return data + "/freehold";
  const std::string home = get("HOME");
  if (home.starts_with('/')) return home + "/.local/share/freehold";
  return Error{ErrorCode::kUsage, "there is no place for the store: HOME is not set",
               "set FREEHOLD_HOME to a folder"};
}

}  // namespace freehold::store
