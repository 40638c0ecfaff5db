#include "model/convert/file_type.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace freehold::model {

namespace {

using quant::FormatId;

constexpr FileType kTypes[] = {
    {"F32", 0, FormatId::F32},      {"F16", 1, FormatId::F16},      {"BF16", 32, FormatId::BF16},
    {"Q8_0", 7, FormatId::Q8_0},    {"Q4_0", 2, FormatId::Q4_0},    {"Q4_1", 3, FormatId::Q4_1},
    {"Q5_0", 8, FormatId::Q5_0},    {"Q5_1", 9, FormatId::Q5_1},    {"Q2_K", 10, FormatId::Q2_K},
    {"Q3_K_S", 11, FormatId::Q3_K}, {"Q3_K_M", 12, FormatId::Q3_K}, {"Q3_K_L", 13, FormatId::Q3_K},
    {"Q4_K_S", 14, FormatId::Q4_K}, {"Q4_K_M", 15, FormatId::Q4_K}, {"Q5_K_S", 16, FormatId::Q5_K},
    {"Q5_K_M", 17, FormatId::Q5_K}, {"Q6_K", 18, FormatId::Q6_K},
};

/// Parts of names whose tensors keep their format.
constexpr std::string_view kKept[] = {"_norm.weight",
                                      "ffn_gate_inp.weight",
                                      "altup",
                                      "laurel",
                                      "per_layer_model_proj",
                                      "ssm_conv1d",
                                      "shortconv.conv.weight",
                                      "attn_rel_b.weight",
                                      "position_embd",
                                      "token_types"};

bool has(std::string_view name, std::string_view part) {
  return name.find(part) != std::string_view::npos;
}

bool is_embedding(std::string_view name) {
  return name == "token_embd.weight" || name == "per_layer_token_embd.weight";
}

/// Matrices that make attention's values, alone or with others.
bool makes_values(std::string_view name) {
  return has(name, "attn_v.weight") || has(name, "attn_qkv.weight") ||
         has(name, "attn_kv_b.weight");
}

/// 17 of "blk.17.attn_v.weight"; nothing outside the layers.
std::optional<uint64_t> layer_of(std::string_view name) {
  if (!name.starts_with("blk.")) return std::nullopt;
  name.remove_prefix(4);
  const auto number = base::parse_unsigned(name.substr(0, name.find('.')));
  return number.ok() ? std::optional(*number) : std::nullopt;
}

/// What the choice depends on beside a tensor.
struct Facts {
  FileType type;
  uint64_t layers = 0;
  uint64_t value_matrices = 0;
  uint64_t heads_per_key = 1;
  uint64_t experts = 0;
  bool tied = false;
  bool llama_70b = false;

  bool is(std::string_view name) const { return type.name == name; }
};

Facts facts_of(const GgufModel& model, const FileType& type) {
  Facts facts{.type = type};
  const Metadata& keys = model.metadata();
  const std::string arch(keys.find_string("general.architecture").value_or(""));
  const auto number = [&](std::string_view key) -> uint64_t {
    const std::string whole = arch + "." + std::string(key);
    if (const auto one = keys.find_unsigned(whole)) return *one;
    const auto many = keys.find_integers(whole);
    return many && !many->empty() && many->front() > 0 ? static_cast<uint64_t>(many->front()) : 0;
  };
  facts.layers = number("block_count");
  facts.experts = number("expert_count");
  const uint64_t heads = number("attention.head_count");
  const uint64_t keys_heads = number("attention.head_count_kv");
  if (keys_heads != 0) facts.heads_per_key = heads / keys_heads;
  facts.llama_70b = arch == "llama" && facts.layers == 80 && heads != keys_heads;
  facts.tied = model.find("output.weight") == nullptr;
  for (const TensorInfo& tensor : model.tensors()) {
    if (makes_values(tensor.name)) ++facts.value_matrices;
  }
  return facts;
}

/// `index`: which of the matrices that make values it is.
FormatId for_values(const Facts& facts, uint64_t index) {
  FormatId id = facts.type.base;
  const bool many = facts.heads_per_key >= 4;
  if (facts.is("Q2_K")) id = many ? FormatId::Q4_K : FormatId::Q3_K;
  if (facts.is("Q3_K_M")) id = index < 2 ? FormatId::Q5_K : FormatId::Q4_K;
  if (facts.is("Q3_K_L")) id = FormatId::Q5_K;
  if (facts.is("Q4_K_S") && index < 4) id = FormatId::Q5_K;
  if ((facts.is("Q4_K_M") || facts.is("Q5_K_M")) && has_more_bits(index, facts.value_matrices)) {
    id = FormatId::Q6_K;
  }
  if (facts.llama_70b && (id == FormatId::Q3_K || id == FormatId::Q4_K)) id = FormatId::Q5_K;
  return facts.experts == 8 ? FormatId::Q8_0 : id;
}

FormatId for_down(const Facts& facts, uint64_t layer) {
  if (facts.is("Q2_K")) return FormatId::Q3_K;
  if (facts.is("Q3_K_M")) return layer < facts.layers / 16 ? FormatId::Q5_K : FormatId::Q4_K;
  if (facts.is("Q3_K_L")) return FormatId::Q5_K;
  if (facts.is("Q4_K_S") && layer < facts.layers / 8) return FormatId::Q5_K;
  if ((facts.is("Q4_K_M") || facts.is("Q5_K_M")) && has_more_bits(layer, facts.layers)) {
    return FormatId::Q6_K;
  }
  return facts.type.base;
}

FormatId for_attention_output(const Facts& facts) {
  if (facts.experts == 8) {
    const bool small = facts.type.base == FormatId::Q2_K || facts.is("Q3_K_S") ||
                       facts.is("Q3_K_M") || facts.type.base == FormatId::Q4_K;
    return small ? FormatId::Q5_K : facts.type.base;
  }
  if (facts.is("Q2_K")) return FormatId::Q3_K;
  if (facts.is("Q3_K_M")) return FormatId::Q4_K;
  if (facts.is("Q3_K_L")) return FormatId::Q5_K;
  return facts.type.base;
}

FormatId wanted(const Facts& facts, const TensorInfo& tensor, uint64_t index) {
  const std::string_view name = tensor.name;
  const FormatId base = facts.type.base;
  if (name == "output.weight" || (facts.tied && is_embedding(name))) {
    if (tensor.width() % quant::format(base).block_values != 0) return FormatId::Q8_0;
    return base == FormatId::Q8_0 ? base : FormatId::Q6_K;
  }
  if (makes_values(name)) return for_values(facts, index);
  if (has(name, "attn_k.weight")) return facts.experts == 8 ? FormatId::Q8_0 : base;
  if (has(name, "ffn_down")) return for_down(facts, layer_of(name).value_or(0));
  if (has(name, "attn_output.weight")) return for_attention_output(facts);
  return base;
}

/// What holds rows that are not whole blocks.
FormatId fitting(FormatId id, uint64_t width) {
  if (width % quant::format(id).block_values == 0) return id;
  switch (id) {
    case FormatId::Q2_K:
    case FormatId::Q3_K:
      id = FormatId::Q4_0;
      break;
    case FormatId::Q4_K:
      id = FormatId::Q5_0;
      break;
    case FormatId::Q5_K:
      id = FormatId::Q5_1;
      break;
    case FormatId::Q6_K:
      id = FormatId::Q8_0;
      break;
    default:
      break;
  }
  return width % quant::format(id).block_values == 0 ? id : FormatId::F16;
}

}  // namespace

std::span<const FileType> file_types() { return kTypes; }

const FileType* find_file_type(std::string_view name) {
  std::string wanted = base::lower_case(name);
  if (wanted == "q3_k" || wanted == "q4_k" || wanted == "q5_k") wanted += "_m";
  for (const FileType& type : kTypes) {
    if (base::lower_case(type.name) == wanted) return &type;
  }
  return nullptr;
}

bool may_change(const TensorInfo& tensor) {
  const std::string_view name = tensor.name;
  if (tensor.rows() < 2 || !name.ends_with("weight")) return false;
  return std::none_of(std::begin(kKept), std::end(kKept),
                      [&](std::string_view part) { return has(name, part); });
}

std::vector<const quant::Format*> choose_formats(const GgufModel& model, const FileType& type) {
  const Facts facts = facts_of(model, type);
  const std::span<const TensorInfo> tensors = model.tensors();
  // Values are counted from the first layer on, whatever the order in the file.
  std::vector<size_t> order(tensors.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return layer_of(tensors[a].name) < layer_of(tensors[b].name);
  });
  const bool mixes = quant::format(type.base).group != quant::ActivationGroup::kFloat;
  std::vector<const quant::Format*> formats(tensors.size());
  uint64_t values = 0;
  for (const size_t i : order) {
    const TensorInfo& tensor = tensors[i];
    formats[i] = tensor.format;
    if (!may_change(tensor)) continue;
    FormatId id = type.base;
    if (mixes) {
      id = wanted(facts, tensor, values);
      if (makes_values(tensor.name)) ++values;
    }
    formats[i] = &quant::format(fitting(id, tensor.width()));
  }
  return formats;
}

}  // namespace freehold::model
