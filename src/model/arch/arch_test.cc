// What the architectures make of files: the dry run of every row, and refusals by name of what is
// missing, impossible or not there yet. The arithmetic is proved by the goldens
// (src/runtime/engine/arch_golden_test.cc).

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <variant>

#include "io/simulated_file_system.h"
#include "model/arch/architecture.h"
#include "model/arch/recording_context.h"
#include "model/gguf/gguf_bytes.h"

namespace freehold::model {
namespace {

using Value =
    std::variant<uint32_t, bool, float, std::string, std::vector<uint8_t>, std::vector<float>>;
using Keys = std::map<std::string, Value>;

/// The keys without which an architecture's files are not read, of a four-layer model.
Keys needed_keys(const std::string& name) {
  Keys keys = {{"block_count", 4u},          {"context_length", 128u},
               {"embedding_length", 64u},    {"feed_forward_length", 96u},
               {"attention.head_count", 4u}, {"attention.head_count_kv", 2u},
               {"rope.freq_base", 10000.0f}};
  const bool is_encoder = name.ends_with("bert") || name == "mpnet";
  if (is_encoder) keys["attention.causal"] = false;
  const bool centred = name == "cohere2" || name == "command-r";
  keys[centred || is_encoder ? "attention.layer_norm_epsilon"
                             : "attention.layer_norm_rms_epsilon"] = 1e-5f;
  if (name == "gemma3" || name == "cohere2") keys["attention.sliding_window"] = 16u;
  if (name == "modern-bert") keys["attention.sliding_window"] = 16u;
  if (name == "mpnet") keys["attention.relative_buckets_count"] = 8u;
  if (name == "gemma3n") {
    keys["attention.sliding_window"] = 16u;
    keys["attention.sliding_window_pattern"] = std::vector<uint8_t>{1, 0, 1, 0};
    keys["attention.shared_kv_layers"] = 2u;
    keys["embedding_length_per_layer_input"] = 16u;
    keys["altup.num_inputs"] = 4u;
    keys["altup.active_idx"] = 0u;
    keys["activation_sparsity_scale"] = std::vector<float>{0.8f, 0.8f, -HUGE_VALF, -HUGE_VALF};
  }
  if (name == "gemma4") {
    keys["attention.sliding_window"] = 16u;
    keys["attention.sliding_window_pattern"] = std::vector<uint8_t>{1, 0, 1, 0};
    keys["attention.key_length_swa"] = 8u;
    keys["attention.shared_kv_layers"] = 2u;
    keys["embedding_length_per_layer_input"] = 16u;
  }
  if (centred || name == "granite") keys["logit_scale"] = 8.0f;
  if (name == "qwen3moe") {
    keys["expert_count"] = 8u;
    keys["expert_used_count"] = 2u;
    keys["expert_feed_forward_length"] = 32u;
  }
  return keys;
}

GgufModel model_with(const std::string& name, const Keys& keys,
                     const std::vector<std::string>& tensors = {}) {
  GgufBytes bytes;
  bytes.text("general.architecture", name);
  for (const auto& [suffix, value] : keys) {
    const std::string key = name + "." + suffix;
    if (const auto* number = std::get_if<uint32_t>(&value)) bytes.u32(key, *number);
    if (const auto* flag = std::get_if<bool>(&value)) bytes.boolean(key, *flag);
    if (const auto* number = std::get_if<float>(&value)) bytes.f32(key, *number);
    if (const auto* text = std::get_if<std::string>(&value)) bytes.text(key, *text);
    if (const auto* list = std::get_if<std::vector<uint8_t>>(&value)) bytes.array(key, 7, *list);
    if (const auto* list = std::get_if<std::vector<float>>(&value)) bytes.array(key, 6, *list);
  }
  bytes.tensor("token_embd.weight", {64, 32}, 0, 64 * 32 * 4);
  for (const std::string& tensor : tensors) bytes.tensor(tensor, {8}, 0, 32);
  io::SimulatedFileSystem files;
  files.put("/m.gguf", bytes.build());
  return MUST(GgufModel::open(files, "/m.gguf"));
}

TEST(Architectures, EveryRowsListAndFunctionsAgree) {
  for (const Architecture* architecture : all_architectures()) {
    const std::string name(architecture->name);
    const auto parameters = architecture->read(model_with(name, needed_keys(name)));
    ASSERT_TRUE(parameters.ok()) << name << ": " << parameters.error().message;
    const auto dry = dry_run(*architecture, *parameters);
    EXPECT_TRUE(dry.ok()) << (dry.ok() ? "" : dry.error().message);
  }
}

TEST(Architectures, TheDryRunSeesAListThatDisagrees) {
  for (const Architecture* architecture : all_architectures()) {
    const std::string name(architecture->name);
    HyperParameters parameters = MUST(architecture->read(model_with(name, needed_keys(name))));
    Architecture other = *architecture;
    const auto check = [&](auto weights) {
      other.weights = weights;
      EXPECT_EQ(dry_run(other, parameters).error().code, ErrorCode::kFailed) << name;
    };
    // The lists of a model with one layer fewer, and with narrower heads.
    static const Architecture* current;
    current = architecture;
    check([](const HyperParameters& p) {
      HyperParameters fewer = p;
      --fewer.layers;
      return current->weights(fewer);
    });
    check([](const HyperParameters& p) {
      HyperParameters narrower = p;
      narrower.heads /= 2;
      return current->weights(narrower);
    });
  }
}

TEST(Architectures, EveryKeyThatIsNeededIsMissedByName) {
  for (const Architecture* architecture : all_architectures()) {
    const std::string name(architecture->name);
    for (const auto& [key, value] : needed_keys(name)) {
      const bool has_default =
          key == "rope.freq_base" || key == "attention.shared_kv_layers" ||
          (key == "embedding_length_per_layer_input" && name == "gemma4") ||
          (key == "attention.head_count_kv" && name != "gemma3n" && name != "gemma4");
      if (has_default) continue;
      if (key == "attention.causal") continue;  // an encoder without it is refused, below
      Keys keys = needed_keys(name);
      keys.erase(key);
      const auto read = architecture->read(model_with(name, keys));
      ASSERT_FALSE(read.ok()) << name << " without " << key;
      EXPECT_EQ(read.error().code, ErrorCode::kDamaged);
      EXPECT_NE(read.error().message.find(key), std::string::npos) << read.error().message;
    }
  }
}

struct Refusal {
  const char* architecture;
  const char* key;
  Value value;
  ErrorCode code;
  const char* says;
};

TEST(Architectures, WhatIsImpossibleOrNotThereYetIsRefusedByName) {
  const std::vector<uint8_t> three = {1, 1, 0};
  const Refusal refusals[] = {
      {"llama", "attention.head_count_kv", 3u, ErrorCode::kDamaged, "head_count_kv"},
      {"llama", "rope.dimension_count", 15u, ErrorCode::kDamaged, "rope.dimension_count"},
      {"llama", "rope.scaling.type", std::string("spiral"), ErrorCode::kRefused, "spiral"},
      {"llama", "logit_scale", 0.5f, ErrorCode::kRefused, "llama.logit_scale"},
      {"llama", "expert_count", 8u, ErrorCode::kRefused, "expert_count"},
      {"llama", "block_count", 100000u, ErrorCode::kDamaged, "block_count"},
      {"qwen2", "attn_logit_softcapping", 50.0f, ErrorCode::kRefused, "attn_logit_softcapping"},
      {"gemma2", "attn_logit_softcapping", -1.0f, ErrorCode::kDamaged, "attn_logit_softcapping"},
      {"gemma2", "attention.sliding_window", 0u, ErrorCode::kDamaged, "sliding_window"},
      {"gemma2", "rope.freq_base_swa", 5000.0f, ErrorCode::kRefused, "RoPE base"},
      {"cohere2", "attention.sliding_window_pattern", three, ErrorCode::kDamaged, "pattern"},
      {"cohere2", "logit_scale", 0.0f, ErrorCode::kDamaged, "logit_scale"},
      {"olmo2", "residual_scale", 0.5f, ErrorCode::kRefused, "residual_scale"},
      {"granite", "logit_scale", 0.0f, ErrorCode::kDamaged, "logit_scale"},
      {"granite", "rope.scaling.finetuned", 1.0f, ErrorCode::kDamaged, "finetuned"},
      {"llama", "attention.temperature_scale", 0.1f, ErrorCode::kRefused, "temperature_scale"},
      {"mistral3", "attention.temperature_scale", 0.1f, ErrorCode::kDamaged, "original_context"},
      {"mistral3", "attention.temperature_scale", -1.0f, ErrorCode::kDamaged, "temperature_scale"},
      {"glm4", "rope.dimension_sections", std::string("8"), ErrorCode::kRefused, "sections"},
      {"gemma4", "attention.sliding_window_pattern", three, ErrorCode::kDamaged, "pattern"},
      {"gemma4", "attention.sliding_window_pattern", 6u, ErrorCode::kDamaged, "pattern"},
      {"gemma4", "attention.shared_kv_layers", 3u, ErrorCode::kDamaged, "shared_kv_layers"},
      {"gemma4", "attention.shared_kv_layers", 4u, ErrorCode::kDamaged, "shared_kv_layers"},
      {"gemma4", "attention.key_length_swa", 7u, ErrorCode::kDamaged, "key_length_swa"},
      {"gemma4", "feed_forward_length", three, ErrorCode::kDamaged, "feed_forward_length"},
      {"gemma3n", "altup.num_inputs", 3u, ErrorCode::kRefused, "num_inputs"},
      {"gemma3n", "altup.active_idx", 1u, ErrorCode::kRefused, "active_idx"},
      {"gemma3n", "activation_sparsity_scale", three, ErrorCode::kDamaged, "sparsity_scale"},
      {"gemma4", "expert_count", 8u, ErrorCode::kRefused, "expert_count"},
      {"bert", "attention.causal", true, ErrorCode::kRefused, "causal"},
      {"bert", "pooling_type", 9u, ErrorCode::kDamaged, "pooling_type"},
      {"mpnet", "attention.relative_buckets_count", 6u, ErrorCode::kDamaged, "relative_buckets"},
      {"modern-bert", "hidden_activation", std::string("swish9"), ErrorCode::kRefused, "swish9"},
      {"modern-bert", "attention.sliding_window_pattern", 0u, ErrorCode::kDamaged, "pattern"},
      {"qwen3moe", "expert_used_count", 9u, ErrorCode::kDamaged, "expert_used_count"},
  };
  for (const Refusal& refusal : refusals) {
    Keys keys = needed_keys(refusal.architecture);
    keys[refusal.key] = refusal.value;
    const auto read =
        find_architecture(refusal.architecture)->read(model_with(refusal.architecture, keys));
    ASSERT_FALSE(read.ok()) << refusal.architecture << " " << refusal.key;
    EXPECT_EQ(read.error().code, refusal.code) << read.error().message;
    EXPECT_NE(read.error().message.find(refusal.says), std::string::npos) << read.error().message;
  }
  EXPECT_EQ(find_architecture("no-such"), nullptr);
}

TEST(Architectures, AYarnMagnitudeOfTheFilesOwnIsTheRulesOrRefused) {
  Keys keys = needed_keys("llama");
  keys["rope.scaling.type"] = "yarn";
  keys["rope.scaling.factor"] = 8.0f;
  keys["rope.scaling.original_context_length"] = 64u;
  keys["rope.scaling.yarn_attn_factor"] = 1.2079441541679836f;  // OLMo 3 says so
  const Architecture& llama = *find_architecture("llama");
  EXPECT_TRUE(llama.read(model_with("llama", keys)).ok());
  keys["rope.scaling.yarn_attn_factor"] = 1.0f;
  const auto other = llama.read(model_with("llama", keys));
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, ErrorCode::kRefused);
  EXPECT_NE(other.error().message.find("yarn_attn_factor"), std::string::npos);
}

TEST(Architectures, TensorsThatNobodyReadsMissAndDisagreeByName) {
  const Architecture& cohere2 = *find_architecture("cohere2");
  const GgufModel file = model_with("cohere2", needed_keys("cohere2"));
  HyperParameters parameters = MUST(cohere2.read(file));
  const Status missing = check_weights(file, cohere2.weights(parameters));
  EXPECT_EQ(missing.error().code, ErrorCode::kDamaged);
  EXPECT_NE(missing.error().message.find("blk.0.attn_norm.weight"), std::string::npos);
  const WeightSpec narrow{"token_embd.weight", 32, 63, WeightRole::kEmbedding};
  EXPECT_EQ(check_weights(file, {&narrow, 1}).error().code, ErrorCode::kDamaged);
  const GgufModel more = model_with("cohere2", needed_keys("cohere2"), {"output_norm.bias"});
  const WeightSpec embedding{"token_embd.weight", 32, 64, WeightRole::kEmbedding};
  const Status status = check_weights(more, {&embedding, 1});
  EXPECT_EQ(status.error().code, ErrorCode::kRefused);
  EXPECT_NE(status.error().message.find("output_norm.bias"), std::string::npos);
}

TEST(Architectures, PatternsOfWindowsAndOfRope) {
  const auto kinds = [](const std::string& name, const Keys& more) {
    Keys keys = needed_keys(name);
    keys["block_count"] = 8u;
    for (const auto& [key, value] : more) keys[key] = value;
    const HyperParameters p = MUST(find_architecture(name)->read(model_with(name, keys)));
    std::string text;
    for (const LayerKind& kind : p.layer_kinds) {
      text += kind.window == 0 ? (kind.rope ? 'G' : 'g') : (kind.rope ? 'L' : 'l');
    }
    return text;
  };
  const Keys window = {{"attention.sliding_window", 16u}};
  EXPECT_EQ(kinds("llama", {}), "GGGGGGGG");
  EXPECT_EQ(kinds("llama", window), "LLLLLLLL");
  EXPECT_EQ(kinds("gemma2", {}), "LGLGLGLG");
  EXPECT_EQ(kinds("gemma3", {}), "LLLLLGLL");
  EXPECT_EQ(kinds("smollm3", {}), "GGGgGGGg");
  EXPECT_EQ(kinds("cohere2", {}), "LLLgLLLg");
  EXPECT_EQ(kinds("cohere2", {{"attention.sliding_window_pattern", 3u}}), "LLgLLgLL");
  EXPECT_EQ(kinds("olmo2", {}), "GGGGGGGG");
  EXPECT_EQ(kinds("olmo2", window), "LLLGLLLG");
  EXPECT_EQ(kinds("exaone4", {}), "GGGGGGGG");
  EXPECT_EQ(kinds("exaone4", window), "LLLgLLLg");
  const std::vector<uint8_t> list = {0, 1, 1, 1, 0, 0, 1, 1};
  EXPECT_EQ(kinds("exaone4",
                  {{"attention.sliding_window", 16u}, {"attention.sliding_window_pattern", list}}),
            "gLLLggLL");
  EXPECT_EQ(kinds("phi3", {{"attention.sliding_window", 0u}}), "GGGGGGGG");
  EXPECT_EQ(kinds("phi3", window), "LLLLLLLL");
  EXPECT_EQ(kinds("granite", {}), "GGGGGGGG");
  EXPECT_EQ(kinds("command-r", {}), "GGGGGGGG");
}

}  // namespace
}  // namespace freehold::model
