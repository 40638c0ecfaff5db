#include "model/safetensors/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/json.h"
#include "base/text.h"
#include "model/safetensors/parse_header.h"

namespace freehold::model {

namespace {

constexpr std::string_view kWhole = "model.safetensors";
constexpr std::string_view kIndex = "model.safetensors.index.json";
constexpr std::string_view kPickleEndings[] = {".bin", ".pt", ".pth", ".ckpt", ".pkl"};
constexpr uint64_t kIndexBytesMax = 100'000'000;

bool is_pickle(std::string_view name) {
  return std::ranges::any_of(kPickleEndings,
                             [&](std::string_view ending) { return name.ends_with(ending); });
}

Error pickle(const std::string& path) {
  return Error{ErrorCode::kRefused,
               path + " is a Python pickle, which can run any code when it is loaded",
               "use the model's safetensors files, or save it anew with safe_serialization"};
}

/// A name out of an index is a file of that folder and nothing else.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

/// The shards that the index names, each once, in the order of their names.
Result<std::set<std::string>> read_index(io::FileSystem& files, const std::string& path,
                                         const SafetensorsLimits& limits) {
  const std::string text = TRY(io::read_small_file(files, path, kIndexBytesMax));
  auto parsed = base::JsonValue::parse(text, {.bytes_max = kIndexBytesMax, .depth_max = 8});
  if (!parsed.ok()) return std::move(parsed).error().within(path);
  const base::JsonValue* map = parsed->find("weight_map");
  if (map == nullptr || map->members().empty()) {
    return Error{ErrorCode::kDamaged, path + ": no weight_map", "fetch the file again"};
  }
  std::set<std::string> shards;
  for (const base::JsonMember& member : map->members()) {
    const auto name = member.value.as_string();
    if (!name || !is_plain_name(*name)) {
      return Error{ErrorCode::kDamaged,
                   fmt::format("{}: the file of tensor {} is no name of a file beside it", path,
                               base::printable(member.key)),
                   "fetch the file again"};
    }
    if (is_pickle(*name)) return pickle(std::string(*name));
    shards.emplace(*name);
    if (shards.size() > limits.shards) {
      return Error{
          ErrorCode::kRefused, fmt::format("{}: more than {} shards", path, limits.shards), {}};
    }
  }
  return shards;
}

/// The files that hold the folder's weights.
Result<std::vector<std::string>> find_shards(io::FileSystem& files, const std::string& folder,
                                             const std::vector<io::DirectoryEntry>& entries,
                                             const SafetensorsLimits& limits) {
  const auto has = [&](std::string_view name) {
    return std::ranges::any_of(entries, [&](const auto& entry) { return entry.name == name; });
  };
  const auto path_of = [&](std::string_view name) { return fmt::format("{}/{}", folder, name); };
  if (has(kIndex)) {
    std::vector<std::string> paths;
    for (const std::string& name : TRY(read_index(files, path_of(kIndex), limits))) {
      paths.push_back(path_of(name));
    }
    return paths;
  }
  if (has(kWhole)) return std::vector<std::string>{path_of(kWhole)};
  for (const io::DirectoryEntry& entry : entries) {
    if (is_pickle(entry.name)) return pickle(path_of(entry.name));
  }
  return Error{ErrorCode::kNotFound, fmt::format("{} has no {}", folder, kWhole),
               "name the folder of a Hugging Face model, or a .safetensors file"};
}

}  // namespace

Result<SafetensorsModel> SafetensorsModel::open(io::FileSystem& files, const std::string& path,
                                                const SafetensorsLimits& limits) {
  std::vector<std::string> paths{path};
  const auto entries = files.list(path);  // fails for what is no folder
  if (entries.ok()) {
    paths = TRY(find_shards(files, path, *entries, limits));
  } else if (is_pickle(path)) {
    return pickle(path);
  }
  SafetensorsModel model;
  for (const std::string& shard : paths) {
    Status added = model.add_shard(files, shard, limits);
    if (!added.ok()) return std::move(added).error().within(shard);
  }
  TRY(model.index_tensors());
  return model;
}

Status SafetensorsModel::add_shard(io::FileSystem& files, const std::string& path,
                                   const SafetensorsLimits& limits) {
  auto file = TRY(files.open(path));
  auto tensors = TRY(parse_safetensors_header(*file, limits));
  if (tensors.size() > limits.tensors - tensors_.size()) {
    return Error{
        ErrorCode::kRefused, fmt::format("more than {} tensors in all shards", limits.tensors), {}};
  }
  for (SafetensorsTensor& tensor : tensors) {
    tensor.shard = shards_.size();
    tensors_.push_back(std::move(tensor));
  }
  shards_.push_back(std::move(file));
  return {};
}

Status SafetensorsModel::index_tensors() {
  by_name_.resize(tensors_.size());
  for (size_t i = 0; i < by_name_.size(); ++i) by_name_[i] = i;
  const auto name_of = [this](size_t i) -> const std::string& { return tensors_[i].name; };
  std::ranges::sort(by_name_, {}, name_of);
  const auto twice = std::ranges::adjacent_find(by_name_, {}, name_of);
  if (twice == by_name_.end()) return {};
  return Error{ErrorCode::kDamaged,
               fmt::format("tensor {} is in {} and in {}", base::printable(name_of(*twice)),
                           shards_[tensors_[twice[0]].shard]->path(),
                           shards_[tensors_[twice[1]].shard]->path()),
               "fetch the files again"};
}

const SafetensorsTensor* SafetensorsModel::find(std::string_view name) const {
  const auto at = std::ranges::lower_bound(
      by_name_, name, {}, [this](size_t i) { return std::string_view(tensors_[i].name); });
  if (at == by_name_.end() || tensors_[*at].name != name) return nullptr;
  return &tensors_[*at];
}

}  // namespace freehold::model
