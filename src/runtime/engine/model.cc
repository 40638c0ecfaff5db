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

Result<std::unique_ptr<Model>> Model::load(std::unique_ptr<model::GgufModel> file,
                                           Options options) {
  auto loaded = std::make_unique<Model>();
  loaded->file_ = std::move(file);
  const model::GgufModel& gguf = *loaded->file_;
  const auto name = gguf.metadata().find_string("general.architecture");
  if (!name) {
    return Error{ErrorCode::kDamaged,
                 "the file does not say its architecture (general.architecture)", "fetch it again"};
  }
  loaded->architecture_ = model::find_architecture(*name);
  if (loaded->architecture_ == nullptr) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("the model's architecture {} is not there yet", base::printable(*name)),
        fmt::format("this build runs {}", architecture_list())};
  }
  loaded->parameters_ = TRY(loaded->architecture_->read(gguf));
  const auto specs = loaded->architecture_->weights(loaded->parameters_);
  TRY(model::check_weights(gguf, specs));
  loaded->weights_ = TRY(WeightStore::load(gguf, specs, loaded->parameters_.tied_output,
                                           {options.account, options.pool, options.stop}));
  return loaded;
}

}  // namespace freehold::runtime
