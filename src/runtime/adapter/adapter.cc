#include "runtime/adapter/adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "base/text.h"
#include "runtime/engine/model.h"
#include "runtime/weights/weight_reading.h"

namespace freehold::runtime {

namespace {

constexpr std::string_view kSuffixA = ".lora_a";
constexpr std::string_view kSuffixB = ".lora_b";
constexpr size_t kMatrixAlignment = 64;
constexpr size_t kReadBytes = 1u << 20;
constexpr double kAlphaMax = 1e6;
constexpr std::string_view kOtherBase = "give the model that the adapter was trained on";

Error refused(std::string message, std::string_view hint) {
  return Error{ErrorCode::kRefused, std::move(message), std::string(hint)};
}

const model::WeightSpec* find_spec(const Model& base, std::string_view name) {
  for (const model::WeightSpec& spec : base.specs()) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

/// How a matrix is kept: float formats as they are, others as f32.
const quant::Format& kept_format(const quant::Format& format) {
  return format.group == quant::ActivationGroup::kFloat ? format
                                                        : quant::format(quant::FormatId::F32);
}

uint64_t kept_bytes(const AdapterMatrix& matrix) {
  return base::align_up<uint64_t>(matrix.rows * matrix.row_bytes(), kMatrixAlignment);
}

}  // namespace

Result<std::unique_ptr<Adapter>> Adapter::open(model::GgufModel file, const Model& base) {
  auto adapter = std::make_unique<Adapter>(std::move(file), base);
  TRY(adapter->check_kind());
  const double alpha = TRY(adapter->alpha());
  for (const model::TensorInfo& tensor : adapter->file_.tensors()) TRY(adapter->add_half(tensor));
  if (adapter->pairs_.empty()) {
    return Error{ErrorCode::kDamaged, "the adapter changes nothing: it has no pairs of matrices",
                 "fetch it again"};
  }
  for (auto& [name, pair] : adapter->pairs_) {
    TRY(adapter->check_pair(name, pair, alpha));
    adapter->rank_max_ = std::max(adapter->rank_max_, pair.rank);
    adapter->bytes_ += kept_bytes(pair.a) + kept_bytes(pair.b);
  }
  adapter->identity_ = TRY(file_identity(adapter->file_));
  return adapter;
}

Status Adapter::check_kind() const {
  const model::Metadata& metadata = file_.metadata();
  const auto text = [&](std::string_view key) {
    return base::printable(metadata.find_string(key).value_or("not there"));
  };
  if (metadata.find_string("general.type") != "adapter") {
    return refused(fmt::format("the file is no adapter: its general.type is {}, not adapter",
                               text("general.type")),
                   "adapters are made by llama.cpp's convert_lora_to_gguf.py");
  }
  if (metadata.find_string("adapter.type") != "lora") {
    return refused(
        fmt::format("the adapter is of type {}; lora alone is there yet", text("adapter.type")),
        "convert a LoRA adapter");
  }
  const std::string_view ours = base_.architecture().name;
  if (metadata.find_string("general.architecture") != ours) {
    return refused(fmt::format("the adapter is for the architecture {}, the model is of {}",
                               text("general.architecture"), ours),
                   kOtherBase);
  }
  constexpr std::string_view kActivation = "adapter.alora.invocation_tokens";
  if (metadata.contains(kActivation)) {
    return refused(
        fmt::format("adapters that some tokens switch on ('{}') are not there yet", kActivation),
        "use one that is always on");
  }
  return {};
}

Result<double> Adapter::alpha() const {
  constexpr std::string_view kKey = "adapter.lora.alpha";
  const model::Metadata& metadata = file_.metadata();
  if (!metadata.contains(kKey)) return 0.0;
  const auto alpha = metadata.find_float(kKey);
  if (!alpha || !(std::fabs(*alpha) <= kAlphaMax)) {
    return Error{ErrorCode::kDamaged,
                 fmt::format("'{}' is {}, not a number from {} to {}", kKey,
                             metadata.describe(kKey), -kAlphaMax, kAlphaMax),
                 "fetch the adapter again"};
  }
  return *alpha;
}

Status Adapter::add_half(const model::TensorInfo& tensor) {
  const std::string_view whole = tensor.name;
  const bool is_a = whole.ends_with(kSuffixA);
  if (!is_a && !whole.ends_with(kSuffixB)) {
    return refused(fmt::format("the adapter has a tensor '{}' that is no half of a pair (.lora_a, "
                               ".lora_b)",
                               whole),
                   "adapters that replace tensors are not there yet");
  }
  const std::string_view name = whole.substr(0, whole.size() - kSuffixA.size());
  const model::WeightSpec* spec = find_spec(base_, name);
  if (spec == nullptr) {
    return refused(fmt::format("the adapter changes '{}', which the model has not", name),
                   kOtherBase);
  }
  if (spec->role != model::WeightRole::kMatrix && spec->role != model::WeightRole::kEmbedding) {
    return refused(
        fmt::format("the adapter changes '{}', and adapters of {} are not there yet", name,
                    spec->role == model::WeightRole::kExperts ? "experts" : "vectors"),
        "use one for the dense matrices");
  }
  if (tensor.dimensions > 2) {
    return refused(
        fmt::format("the adapter's '{}' has {} dimensions, not 2", whole, tensor.dimensions),
        kOtherBase);
  }
  AdapterPair& pair = pairs_[std::string(name)];
  AdapterMatrix& half = is_a ? pair.a : pair.b;
  half = {&kept_format(*tensor.format), tensor.rows(), tensor.width(), nullptr};
  return {};
}

Status Adapter::check_pair(const std::string& name, AdapterPair& pair, double alpha) const {
  for (const auto& [half, suffix] : {std::pair{&pair.a, kSuffixA}, std::pair{&pair.b, kSuffixB}}) {
    if (half->format != nullptr) continue;
    return Error{ErrorCode::kDamaged, fmt::format("the adapter has no '{}{}'", name, suffix),
                 "the file is incomplete; fetch it again"};
  }
  const model::WeightSpec& spec = *find_spec(base_, name);
  // Of an embedding A is looked up by token, as the converter turns it.
  pair.by_token = spec.role == model::WeightRole::kEmbedding;
  const uint64_t in = pair.by_token ? pair.a.rows : pair.a.width;
  const uint64_t in_wanted = pair.by_token ? spec.rows : spec.width;
  const uint64_t out_wanted = pair.by_token ? spec.width : spec.rows;
  pair.rank = pair.by_token ? pair.a.width : pair.a.rows;
  if (in != in_wanted || pair.b.rows != out_wanted) {
    return refused(
        fmt::format("the adapter's pair for '{}' leads from {} values to {}, the model's "
                    "from {} to {}",
                    name, in, pair.b.rows, in_wanted, out_wanted),
        kOtherBase);
  }
  if (pair.rank != pair.b.width || pair.rank > kRankMax) {
    return refused(fmt::format("the halves of '{}' have ranks {} and {}; they must agree and be at "
                               "most {}",
                               name, pair.rank, pair.b.width, kRankMax),
                   "convert the adapter again");
  }
  pair.factor = alpha == 0 ? 1.0 : alpha / static_cast<double>(pair.rank);
  return {};
}

Status Adapter::load(device::MemoryAccount& account, io::FileSystem* files) {
  memory_ = TRY(device::Buffer::create(account, device::MemoryUse::kWeights, bytes_));
  std::byte* next = memory_.data();
  for (auto& [name, pair] : pairs_) {
    for (const auto& [half, suffix] :
         {std::pair{&pair.a, kSuffixA}, std::pair{&pair.b, kSuffixB}}) {
      const model::TensorInfo& tensor = *file_.find(name + std::string(suffix));
      TRY(read_values(tensor, *half, next, files));
      next += kept_bytes(*half);
    }
  }
  return {};
}

Status Adapter::read_values(const model::TensorInfo& tensor, AdapterMatrix& matrix, std::byte* into,
                            io::FileSystem* files) const {
  const auto sources = TRY(open_sources(file_, files, {}));
  const WeightSource& source = sources[tensor.shard];
  const quant::Format& format = *tensor.format;
  const size_t row_bytes = format.row_bytes(matrix.width);
  matrix.data = into;
  if (&format == matrix.format) {
    TRY(read_weights(source, tensor.offset, {into, matrix.rows * row_bytes}));
    return source.check_unchanged();
  }
  const uint64_t step = std::max<uint64_t>(1, kReadBytes / row_bytes);
  std::vector<std::byte> rows(step * row_bytes);
  auto* values = reinterpret_cast<float*>(into);
  for (uint64_t first = 0; first < matrix.rows; first += step) {
    const uint64_t count = std::min(step, matrix.rows - first);
    TRY(read_weights(source, tensor.offset + first * row_bytes,
                     std::span(rows).first(count * row_bytes)));
    if (format.rows_valid != nullptr && !format.rows_valid(rows.data(), row_bytes, count)) {
      return Error{
          ErrorCode::kDamaged,
          fmt::format("the adapter's '{}' holds a block that {} forbids", tensor.name, format.name),
          "the file is damaged; fetch it again"};
    }
    for (uint64_t row = 0; row < count; ++row, values += matrix.width) {
      format.decode_row(rows.data() + row * row_bytes, matrix.width, values);
    }
  }
  return source.check_unchanged();
}

const AdapterPair* Adapter::find(std::string_view name) const {
  const auto found = pairs_.find(name);
  return found == pairs_.end() ? nullptr : &found->second;
}

std::string identity_of(std::span<const AppliedAdapter> adapters) {
  std::string text;
  for (const AppliedAdapter& applied : adapters) {
    text +=
        fmt::format("{}{}={}", text.empty() ? "" : " ", applied.adapter->identity(), applied.scale);
  }
  return text;
}

uint64_t rank_max_of(std::span<const AppliedAdapter> adapters) {
  uint64_t rank = 0;
  for (const AppliedAdapter& applied : adapters) rank = std::max(rank, applied.adapter->rank_max());
  return rank;
}

}  // namespace freehold::runtime
