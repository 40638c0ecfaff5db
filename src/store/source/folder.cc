#include "store/source/folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"
#include "store/catalogue.h"
#include "store/record.h"
#include "store/sha256.h"
#include "store/source/hub.h"
#include "store/source/reference.h"
#include "store/store_files.h"

namespace freehold::store {

namespace {

constexpr size_t kChoicesShown = 24;
constexpr size_t kModelsMax = 10'000;
constexpr uint64_t kSumFileBytesMax = 4096;
constexpr std::string_view kRecordEnding = ".json";

std::string stem_of(std::string_view path) {
  std::string_view last = path.substr(path.rfind('/') + 1);
  if (last.ends_with(".gguf")) last.remove_suffix(5);
  return store_name_of(last);
}

RemoteModel from_record(const ModelRecord& record) {
  RemoteModel model;
  model.name = short_text(record.name);
  model.bytes = record.bytes;
  model.sha256 = record.sha256;
  model.licence = record.licence == "unknown" ? "" : record.licence;
  model.licence_title = record.licence_title;
  model.description = record.description;
  model.settings = record.settings;
  return model;
}

/// As sha256sum writes it: the hash, then the name.
std::string sum_beside(io::FileSystem& files, const std::string& path) {
  const auto text = io::read_small_file(files, path + ".sha256", kSumFileBytesMax);
  if (!text.ok()) return {};
  const std::string hash = text->substr(0, text->find_first_of(" \t\r\n"));
  return is_sha256(hash) ? hash : std::string();
}

Result<RemoteModel> from_file(io::FileSystem& files, const std::string& path) {
  TRY(refuse_shard(path, ""));
  RemoteModel model;
  model.reference = model.path = path;
  model.name = stem_of(path);
  if (const auto there = files.stat(path); there.ok()) model.bytes = there->size;
  model.sha256 = sum_beside(files, path);
  return model;
}

Error say_which(const std::string& path, std::vector<std::string> choices) {
  std::sort(choices.begin(), choices.end());
  const size_t all = choices.size();
  choices.resize(std::min(all, kChoicesShown));
  return {ErrorCode::kUsage, fmt::format("{} holds {} models", base::printable(path, 200), all),
          fmt::format("say which: pull {} NAME, of {}{}", path, fmt::join(choices, ", "),
                      all > kChoicesShown ? "…" : "")};
}

/// The records of the store at `path`; those that cannot be read are left out.
Result<std::vector<ModelRecord>> list_records(io::FileSystem& files, const StorePaths& paths) {
  std::vector<ModelRecord> records;
  for (const io::DirectoryEntry& model : TRY(files.list(paths.models()))) {
    const auto tags = files.list(paths.models() + "/" + model.name);
    if (!tags.ok()) continue;
    for (const io::DirectoryEntry& tag : *tags) {
      if (tag.name.starts_with('.') || !tag.name.ends_with(kRecordEnding)) continue;
      if (records.size() == kModelsMax) return records;
      const auto text = io::read_small_file(
          files, paths.models() + "/" + model.name + "/" + tag.name, kRecordBytesMax);
      const auto record = text.ok() ? parse_record(*text) : text.error();
      if (record.ok()) records.push_back(*record);
    }
  }
  return records;
}

Result<RemoteModel> find_in_store(io::FileSystem& files, const std::string& path,
                                  std::string_view wanted) {
  const StorePaths paths(path);
  const std::vector<ModelRecord> records = TRY(list_records(files, paths));
  const auto take = [&](const ModelRecord& record) {
    RemoteModel model = from_record(record);
    model.path = paths.blob(record.sha256);
    model.reference = fmt::format("{} {}", path, short_text(record.name));
    return model;
  };
  std::vector<std::string> names;
  for (const ModelRecord& record : records) {
    if (short_text(record.name) == wanted || record.name.text() == wanted) return take(record);
    names.push_back(short_text(record.name));
  }
  if (records.size() == 1) return take(records[0]);
  if (records.empty()) {
    return Error{
        ErrorCode::kNotFound, base::printable(path, 200) + " is a store without models", {}};
  }
  return say_which(path, names);
}

Result<RemoteModel> find_in_folder(io::FileSystem& files, const std::string& path,
                                   std::string_view wanted) {
  std::vector<HubFile> found;
  for (const io::DirectoryEntry& entry : TRY(files.list(path))) {
    const bool fits = !entry.is_directory && entry.name.ends_with(".gguf");
    if (fits && found.size() < kModelsMax) found.push_back({entry.name, entry.size, {}});
  }
  if (found.empty()) {
    return Error{ErrorCode::kNotFound, base::printable(path, 200) + " holds no GGUF file",
                 "give the file itself, or the folder that it is in"};
  }
  const auto take = [&](const HubFile& file) { return from_file(files, path + "/" + file.path); };
  std::vector<std::string> names;
  for (const HubFile& file : found) {
    const std::string name = stem_of(file.path);
    if (name == wanted || file.path == wanted) return take(file);
    names.push_back(name);
  }
  if (found.size() == 1) return take(found[0]);
  return say_which(path, names);
}

}  // namespace

Result<RemoteModel> find_folder_model(io::FileSystem& files, const std::string& path,
                                      std::string_view wanted) {
  std::string folder = path;
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  if (!files.list(folder).ok()) {
    TRY(files.stat(folder));
    return from_file(files, folder);
  }
  const StorePaths paths(folder);
  const bool store = files.list(paths.models()).ok() && files.list(paths.blobs()).ok();
  return store ? find_in_store(files, folder, wanted) : find_in_folder(files, folder, wanted);
}

bool is_peer_record(std::string_view address) {
  if (!io::is_http_address(address) || !address.ends_with(kRecordEnding)) return false;
  const std::vector<std::string_view> parts = base::split(address, '/');
  if (parts.size() < 6 || parts[parts.size() - 3] != "models") return false;
  const std::string_view tag = parts.back().substr(0, parts.back().size() - kRecordEnding.size());
  return parse_name(fmt::format("{}:{}", parts[parts.size() - 2], tag)).ok();
}

std::string peer_record(std::string_view address, const ModelName& name) {
  return fmt::format("{}models/{}/{}{}", address, name.name, name.tag, kRecordEnding);
}

Result<RemoteModel> find_peer_model(const SourceServices& services, const std::string& address,
                                    const std::string& authorization) {
  const io::HttpAnswer answer = TRY(ask(services, {.address = address,
                                                   .headers = {},
                                                   .authorization = authorization,
                                                   .bytes_max = kRecordBytesMax}));
  if (answer.head.status != 200) return io::status_error(address, answer.head);
  const Result<ModelRecord> record = parse_record(answer.body);
  if (!record.ok()) return Error(record.error()).within(io::shown_address(address));
  RemoteModel model = from_record(*record);
  model.reference = address;
  const std::string root = address.substr(0, address.rfind("models/"));
  model.address = StorePaths(root.substr(0, root.size() - 1)).blob(record->sha256);
  model.authorization = authorization;
  return model;
}

}  // namespace freehold::store
