#include "model/arch/architecture.h"

#include <fmt/format.h>

#include <array>
#include <unordered_set>

namespace freehold::model {

#define FREEHOLD_ARCH(name) const Architecture& name##_architecture();
#include "model/arch/archs.def"
#undef FREEHOLD_ARCH

std::span<const Architecture* const> all_architectures() {
  static const std::array kAll = {
#define FREEHOLD_ARCH(name) &name##_architecture(),
#include "model/arch/archs.def"
#undef FREEHOLD_ARCH
  };
  return kAll;
}

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture* architecture : all_architectures()) {
    if (architecture->name == name) return architecture;
  }
  return nullptr;
}

std::string layer_name(uint32_t layer, std::string_view suffix) {
  return fmt::format("blk.{}.{}", layer, suffix);
}

namespace {

/// A tensor that the architecture does not use would change the answer if it were used: leaving it
/// out silently is no option.
Status check_nothing_more(const GgufModel& file, std::span<const WeightSpec> specs) {
  std::unordered_set<std::string_view> known;
  for (const WeightSpec& spec : specs) known.insert(spec.name);
  for (const TensorInfo& tensor : file.tensors()) {
    if (known.contains(tensor.name)) continue;
    return Error{ErrorCode::kRefused,
                 fmt::format("the model has a tensor '{}' that its architecture does not use here",
                             tensor.name),
                 "this variant of the architecture is not there yet"};
  }
  return {};
}

}  // namespace

Status check_weights(const GgufModel& file, std::span<const WeightSpec> specs) {
  for (const WeightSpec& spec : specs) {
    const TensorInfo* tensor = file.find(spec.name);
    if (tensor == nullptr) {
      return Error{ErrorCode::kDamaged, fmt::format("the model has no tensor '{}'", spec.name),
                   "the file is incomplete or of another architecture; fetch it again"};
    }
    if (tensor->width() != spec.width || tensor->rows() != spec.rows) {
      return Error{ErrorCode::kDamaged,
                   fmt::format("tensor '{}' is {} x {}, its hyper-parameters say {} x {}",
                               spec.name, tensor->rows(), tensor->width(), spec.rows, spec.width),
                   "the file contradicts itself; fetch it again"};
    }
  }
  return check_nothing_more(file, specs);
}

}  // namespace freehold::model
