// The stores that are folders of GGUF files: LM Studio's PUBLISHER/REPO/FILE, llama.cpp's flat
// cache, and Hugging Face's cache, whose snapshots are links to blobs.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "io/within.h"
#include "store/foreign/kinds.h"
#include "store/sha256.h"

namespace freehold::store {

namespace {

constexpr size_t kFilesMax = 10'000;

bool are_parts(const std::vector<std::string_view>& parts) {
  return std::all_of(parts.begin(), parts.end(), is_foreign_part);
}

/// Model files in the folder `relative` and `depth` folders below, as paths from there.
void collect_files(const ForeignPlace& place, const std::string& relative, const std::string& below,
                   int depth, std::vector<std::string>& files) {
  const auto entries = list_foreign_folder(place, relative + below);
  if (!entries.ok()) return;
  for (const ForeignEntry& entry : *entries) {
    if (files.size() >= kFilesMax) return;
    const std::string path = below + "/" + entry.name;
    if (entry.is_directory && depth > 0) collect_files(place, relative, path, depth - 1, files);
    if (!entry.is_directory && is_model_file(entry.name)) files.push_back(path.substr(1));
  }
}

/// A line of the listing for the file at `relative`.
void list_file(const ForeignPlace& place, const std::string& relative, const std::string& name,
               ForeignListing& listing) {
  auto model = foreign_file(place, relative);
  if (!model.ok()) {
    listing.broken.push_back(model.error().message);
    return;
  }
  model->name = fmt::format("{}:{}", place.prefix, name);
  listing.models.push_back(*std::move(model));
}

/// The folder of a repository of Hugging Face's cache: "models--USER--REPO".
constexpr std::string_view kHubPrefix = "models--";

/// Where the newest files of a repository are: the commit of refs/main, else the only snapshot.
Result<std::string> snapshot_of(const ForeignPlace& place, const std::string& repository) {
  constexpr uint64_t kReferenceBytesMax = 256;
  const auto reference = io::find_within(place.root, repository + "/refs/main");
  if (reference.ok() && !reference->is_directory) {
    const std::string text =
        TRY(io::read_small_file(place.files, reference->path, kReferenceBytesMax));
    const std::string commit = text.substr(0, text.find_first_of(" \r\n"));
    if (!is_foreign_part(commit)) {
      return Error{ErrorCode::kDamaged, reference->path + " does not name a snapshot", {}};
    }
    return repository + "/snapshots/" + commit;
  }
  const auto snapshots = TRY(list_foreign_folder(place, repository + "/snapshots"));
  if (snapshots.size() != 1) return not_in_store(place, repository + "/refs/main");
  return repository + "/snapshots/" + snapshots[0].name;
}

}  // namespace

Result<ForeignModel> find_in_lmstudio(const ForeignPlace& place, std::string_view name) {
  const auto parts = base::split(name, '/');
  if (parts.size() < 2 || parts.size() > 3 || !are_parts(parts)) {
    return no_foreign_name(place, name, "PUBLISHER/REPO[/FILE]");
  }
  if (parts.size() == 3) return foreign_file(place, std::string(name));
  std::vector<std::string> files;
  collect_files(place, std::string(name), "", 0, files);
  return foreign_file(place, fmt::format("{}/{}", name, TRY(choose_file(place, name, files, ""))));
}

void list_lmstudio(const ForeignPlace& place, ForeignListing& listing) {
  const auto publishers = list_foreign_folder(place, ".");
  if (!publishers.ok()) return;
  for (const ForeignEntry& publisher : *publishers) {
    if (!publisher.is_directory) continue;
    std::vector<std::string> files;
    collect_files(place, publisher.name, "", 1, files);
    for (const std::string& file : files) {
      if (file.find('/') == std::string::npos) continue;  // not in a repository's folder
      const std::string path = publisher.name + "/" + file;
      list_file(place, path, path, listing);
    }
  }
}

Result<ForeignModel> find_in_llamacpp(const ForeignPlace& place, std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) {
    if (!is_foreign_part(name)) return no_foreign_name(place, name, "FILE or USER/REPO[:QUANT]");
    const std::string file(name);
    return foreign_file(place, file.ends_with(".gguf") ? file : file + ".gguf");
  }
  // What it fetches of USER/REPO is USER_REPO_FILE.
  const size_t colon = std::min(name.find(':', slash), name.size());
  const std::string_view quant = name.substr(std::min(colon + 1, name.size()));
  const auto parts = base::split(name.substr(0, colon), '/');
  if (parts.size() != 2 || !are_parts(parts)) {
    return no_foreign_name(place, name, "FILE or USER/REPO[:QUANT]");
  }
  const std::string prefix = fmt::format("{}_{}_", parts[0], parts[1]);
  std::vector<std::string> files;
  collect_files(place, ".", "", 0, files);
  std::erase_if(files, [&prefix](const std::string& file) { return !file.starts_with(prefix); });
  return foreign_file(place, TRY(choose_file(place, name, files, quant)));
}

void list_llamacpp(const ForeignPlace& place, ForeignListing& listing) {
  std::vector<std::string> files;
  collect_files(place, ".", "", 0, files);
  for (const std::string& file : files) list_file(place, file, file, listing);
}

Result<ForeignModel> find_in_hf_cache(const ForeignPlace& place, std::string_view name) {
  constexpr std::string_view kGrammar = "USER/REPO[/FILE] or USER/REPO:QUANT";
  const size_t colon = std::min(name.find(':'), name.size());
  const std::string_view quant = name.substr(std::min(colon + 1, name.size()));
  const auto parts = base::split(name.substr(0, colon), '/');
  if (parts.size() < 2 || !are_parts(parts) || (colon < name.size() && parts.size() > 2)) {
    return no_foreign_name(place, name, kGrammar);
  }
  const std::string folder = fmt::format("{}{}--{}", kHubPrefix, parts[0], parts[1]);
  const std::string snapshot = TRY(snapshot_of(place, folder));
  std::string file;
  if (parts.size() > 2) {
    const size_t second = name.find('/', name.find('/') + 1);
    file = name.substr(second + 1);
  } else {
    std::vector<std::string> files;
    collect_files(place, snapshot, "", 2, files);
    file = TRY(choose_file(place, name, files, quant));
  }
  ForeignModel model = TRY(foreign_file(place, snapshot + "/" + file));
  // A blob of a large file is named by its SHA-256, of a small one by git's hash.
  const std::string blob = model.path.substr(model.path.rfind('/') + 1);
  if (is_sha256(blob)) model.sha256 = blob;
  return model;
}

void list_hf_cache(const ForeignPlace& place, ForeignListing& listing) {
  const auto repositories = list_foreign_folder(place, ".");
  if (!repositories.ok()) return;
  for (const ForeignEntry& entry : *repositories) {
    if (!entry.is_directory || !entry.name.starts_with(kHubPrefix)) continue;
    const std::string both = entry.name.substr(kHubPrefix.size());
    const size_t cut = both.find("--");
    if (cut == std::string::npos) continue;
    const auto snapshot = snapshot_of(place, entry.name);
    if (!snapshot.ok()) continue;  // a repository of which nothing was fetched whole
    std::vector<std::string> files;
    collect_files(place, *snapshot, "", 2, files);
    for (const std::string& file : files) {
      list_file(place, *snapshot + "/" + file,
                fmt::format("{}/{}/{}", both.substr(0, cut), both.substr(cut + 2), file), listing);
    }
  }
}

}  // namespace freehold::store
