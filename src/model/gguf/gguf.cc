#include "model/gguf/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "model/gguf/limits.h"
#include "model/gguf/parse_file.h"

namespace freehold::model {

namespace {

// "-00001-of-00003.gguf", the naming of llama.cpp's gguf-split.
struct ShardName {
  std::string stem;
  uint64_t number = 0;  // from 1
  uint64_t count = 0;
};

std::optional<ShardName> parse_shard_name(const std::string& path) {
  constexpr size_t kTailBytes = 20;  // -NNNNN-of-NNNNN.gguf
  if (path.size() <= kTailBytes) return std::nullopt;
  const std::string_view tail = std::string_view(path).substr(path.size() - kTailBytes);
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || tail.substr(15) != ".gguf") {
    return std::nullopt;
  }
  ShardName name{path.substr(0, path.size() - kTailBytes), 0, 0};
  for (size_t i = 0; i < 5; ++i) {
    const char a = tail[1 + i], b = tail[10 + i];
    if (a < '0' || a > '9' || b < '0' || b > '9') return std::nullopt;
    name.number = name.number * 10 + static_cast<uint64_t>(a - '0');
    name.count = name.count * 10 + static_cast<uint64_t>(b - '0');
  }
  return name;
}

std::string shard_path(const ShardName& name, uint64_t number) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", name.stem, number, name.count);
}

struct SplitKeys {
  uint64_t number = 0;  // from 0
  uint64_t count = 1;
  uint64_t tensors = 0;
};

Error damaged(std::string message, std::string hint) {
  return Error{ErrorCode::kDamaged, std::move(message), std::move(hint)};
}

// The split.* keys; count 1 where the file is whole.
Result<SplitKeys> split_keys(const Metadata& metadata) {
  if (!metadata.contains("split.count")) return SplitKeys{};
  const auto count = metadata.find_unsigned("split.count");
  const auto number = metadata.find_unsigned("split.no");
  const auto tensors = metadata.find_unsigned("split.tensors.count");
  if (!count || !number || !tensors) {
    return damaged("the keys split.count, split.no and split.tensors.count are not three integers",
                   "Split the model again.");
  }
  if (*count <= 1) return SplitKeys{};
  return SplitKeys{*number, *count, *tensors};
}

struct OpenedShard {
  std::unique_ptr<io::ReadableFile> file;
  ParsedFile parsed;
};

Result<OpenedShard> open_shard(const GgufModel::OpenFile& open_file, const std::string& path,
                               const GgufLimits& limits, uint64_t tensors_before) {
  OpenedShard shard;
  shard.file = TRY(open_file(path));
  auto parsed = parse_file(*shard.file, limits, tensors_before);
  if (!parsed.ok()) return std::move(parsed).error().within(path);
  shard.parsed = std::move(parsed).value();
  return shard;
}

// Whether the first file's name and keys say the same.
Status check_first(const SplitKeys& split, const std::optional<ShardName>& name,
                   const GgufLimits& limits) {
  if (split.count > limits.shards) {
    return Error{ErrorCode::kRefused,
                 fmt::format("split.count is {}; the limit is {}", split.count, limits.shards),
                 "Merge the shards into fewer files."};
  }
  if (split.count == 1) return {};
  if (!name || name->count != split.count || name->number != split.number + 1) {
    return damaged(fmt::format("it says that it is shard {} of {}, but its name does not",
                               split.number + 1, split.count),
                   "Name shards NAME-00001-of-00003.gguf, as they were made.");
  }
  if (split.number != 0) {
    return Error{ErrorCode::kRefused,
                 fmt::format("this is shard {} of {}", split.number + 1, split.count),
                 fmt::format("Open the first one: {}", shard_path(*name, 1))};
  }
  return {};
}

Status check_later(const Metadata& metadata, const SplitKeys& first, uint64_t number) {
  const SplitKeys split = TRY(split_keys(metadata));
  if (split.number != number || split.count != first.count || split.tensors != first.tensors) {
    return damaged(fmt::format("its split.* keys say shard {} of {} with {} tensors in all; "
                               "expected shard {} of {} with {}",
                               split.number + 1, split.count, split.tensors, number + 1,
                               first.count, first.tensors),
                   "The shards do not belong together. Fetch all of them from one place.");
  }
  return {};
}

void take_tensors(std::vector<TensorInfo>& all, std::vector<TensorInfo>& from, uint32_t shard) {
  for (TensorInfo& info : from) {
    info.shard = shard;
    all.push_back(std::move(info));
  }
}

}  // namespace

Result<GgufModel> GgufModel::open(io::FileSystem& files, const std::string& path) {
  return open([&files](const std::string& name) { return files.open(name); }, path);
}

Result<GgufModel> GgufModel::open(const OpenFile& open_file, const std::string& path) {
  const GgufLimits limits;
  GgufModel model;
  OpenedShard first = TRY(open_shard(open_file, path, limits, 0));
  model.version_ = first.parsed.version;
  model.metadata_ = std::move(first.parsed.metadata);
  take_tensors(model.tensors_, first.parsed.tensors, 0);
  model.shards_.push_back(std::move(first.file));

  const auto name = parse_shard_name(path);
  const auto within = [&](Status status) -> Status {
    return status.ok() ? Status() : std::move(status).error().within(path);
  };
  auto split = split_keys(model.metadata_);
  if (!split.ok()) return std::move(split).error().within(path);
  TRY(within(check_first(*split, name, limits)));
  TRY(within(check_vocabulary(model.metadata_)));
  for (uint64_t number = 1; number < split->count; ++number) {
    const std::string shard_file = shard_path(*name, number + 1);
    auto opened = open_shard(open_file, shard_file, limits, model.tensors_.size());
    if (!opened.ok()) {
      return std::move(opened).error().within(
          fmt::format("shard {} of {}", number + 1, split->count));
    }
    Status later = check_later(opened->parsed.metadata, *split, number);
    if (!later.ok()) return std::move(later).error().within(shard_file);
    take_tensors(model.tensors_, opened->parsed.tensors, static_cast<uint32_t>(number));
    model.shards_.push_back(std::move(opened->file));
  }
  if (split->count > 1 && model.tensors_.size() != split->tensors) {
    return damaged(fmt::format("{}: the shards hold {} tensors, split.tensors.count says {}", path,
                               model.tensors_.size(), split->tensors),
                   "The shards do not belong together. Fetch all of them from one place.");
  }
  TRY(within(model.index_tensors()));
  return model;
}

Status GgufModel::index_tensors() {
  by_name_.resize(tensors_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::sort(by_name_.begin(), by_name_.end(),
            [&](uint32_t a, uint32_t b) { return tensors_[a].name < tensors_[b].name; });
  const auto twin = std::adjacent_find(
      by_name_.begin(), by_name_.end(),
      [&](uint32_t a, uint32_t b) { return tensors_[a].name == tensors_[b].name; });
  if (twin != by_name_.end()) {
    return damaged(fmt::format("tensor {} is there twice", quoted(tensors_[*twin].name)),
                   "The file is damaged or was made to do harm. Fetch it again.");
  }
  tensor_bytes_ = 0;
  for (const TensorInfo& info : tensors_) tensor_bytes_ += info.bytes;
  return {};
}

const TensorInfo* GgufModel::find(std::string_view name) const {
  const auto place = std::lower_bound(
      by_name_.begin(), by_name_.end(), name,
      [&](uint32_t index, std::string_view n) { return tensors_[index].name < n; });
  if (place == by_name_.end() || tensors_[*place].name != name) return nullptr;
  return &tensors_[*place];
}

}  // namespace freehold::model
