#include "runtime/engine/model.h"

#include <fmt/format.h>

#include "base/text.h"

namespace freehold::runtime {

namespace {

std::string architecture_list() {
  std::string list;
  for (const model::Architecture* architecture : model::all_architectures()) {
    if (!list.empty()) list += ", ";
    list += architecture->name;
  }
  return list;
}

}  // namespace

Result<std::unique_ptr<Model>> Model::open(std::unique_ptr<model::GgufModel> file) {
  auto loaded = std::make_unique<Model>();
  loaded->file_ = std::move(file);
  const model::GgufModel& gguf = *loaded->file_;
  const auto name = gguf.metadata().find_string("general.architecture");
  if (!name) {
    return Error{ErrorCode::kDamaged,
                 "the file does not say its architecture (general.architecture)", "fetch it again"};
  }
  if (gguf.metadata().find_string("general.type") == "adapter") {
    return Error{ErrorCode::kRefused, "the file is an adapter, no model",
                 "give it beside the model that it is for: --adapter FILE"};
  }
  loaded->architecture_ = model::find_architecture(*name);
  if (loaded->architecture_ == nullptr) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("the model's architecture {} is not there yet", base::printable(*name)),
        fmt::format("this build runs {}", architecture_list())};
  }
  loaded->parameters_ = TRY(loaded->architecture_->read(gguf));
  loaded->specs_ = loaded->architecture_->weights(loaded->parameters_);
  TRY(model::check_weights(gguf, loaded->specs_));
  return loaded;
}

Result<std::unique_ptr<Model>> Model::load(std::unique_ptr<model::GgufModel> file,
                                           Options options) {
  auto loaded = TRY(open(std::move(file)));
  TRY(loaded->load_weights(loaded->layout(), options));
  return loaded;
}

Status Model::require_logits() const {
  if (parameters_.causal) return {};
  return Error{ErrorCode::kRefused,
               fmt::format("the model is an encoder ({}) and writes no text", architecture_->name),
               "use it with 'freehold embed' or 'freehold rerank'"};
}

WeightLayout Model::layout(uint64_t panel_bytes_max) const {
  return WeightLayout::create(*file_, specs_, parameters_.tied_output, panel_bytes_max);
}

Status Model::load_weights(const WeightLayout& layout, Options options) {
  weights_ = TRY(WeightStore::load(
      *file_, specs_, layout,
      {options.account, options.pool, options.stop, options.files, options.streaming}));
  return {};
}

Result<std::string> file_identity(const model::GgufModel& file) {
  std::string text;
  for (const auto& shard : file.shards()) {
    if (!text.empty()) text += ' ';
    const std::string& path = shard->path();
    const size_t hash = path.rfind("sha256-");
    if (hash != std::string::npos && path.find('/', hash) == std::string::npos) {
      text += std::string_view(path).substr(hash);
      continue;
    }
    const io::FileIdentity identity = TRY(shard->identity());
    text += fmt::format("{}:{}:{}:{}", identity.device, identity.inode, identity.size,
                        identity.modified_ns);
  }
  return text;
}

}  // namespace freehold::runtime
