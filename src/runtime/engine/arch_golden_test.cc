// The architectures against goldens that transformers computed in binary64 (golden/arch), on every
// instruction set, in one piece and in slices; and mutants of each that the same comparison
// rejects.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "runtime/engine/evaluator.h"

namespace freehold::runtime {
namespace {

struct Golden {
  std::string name;
  std::string arch;
  double tolerance = 0;
  std::vector<TokenId> tokens;
  std::vector<size_t> positions;
  std::vector<std::vector<double>> logits;
};

std::string folder() { return std::string(FREEHOLD_SOURCE_DIR) + "/golden/arch/"; }

std::vector<std::string> golden_names() {
  std::ifstream file(folder() + "manifest.json");
  const auto manifest = nlohmann::json::parse(file);
  std::vector<std::string> names;
  for (const auto& entry : manifest.at("goldens").items()) names.push_back(entry.key());
  return names;
}

Golden read_golden(const std::string& name) {
  std::ifstream file(folder() + name + ".json");
  const auto json = nlohmann::json::parse(file);
  return {name,
          json.at("arch").get<std::string>(),
          json.at("tolerance").get<double>(),
          json.at("tokens").get<std::vector<TokenId>>(),
          json.at("positions").get<std::vector<size_t>>(),
          json.at("logits").get<std::vector<std::vector<double>>>()};
}

/// A golden's model with a machine to run it.
struct Bench {
  device::MemoryAccount account;
  std::unique_ptr<device::WorkerPool> pool;
  std::unique_ptr<Model> model;

  explicit Bench(const std::string& name, size_t threads = 2) {
    pool = MUST(device::WorkerPool::create({.threads = threads, .pin = false}));
    const auto files = io::make_system_files();
    auto file = std::make_unique<model::GgufModel>(
        MUST(model::GgufModel::open(*files, folder() + name + ".gguf")));
    model = MUST(Model::load(std::move(file), {account, *pool}));
  }
};

struct Variant {
  device::Isa isa = device::best_isa();
  size_t slice = 0;
  std::function<void(model::HyperParameters&)> mutate;
};

/// Largest difference over the kept rows, relative to each row's root mean square.
double distance(const Golden& golden, Bench& bench, const Variant& variant) {
  model::HyperParameters parameters = bench.model->parameters();
  if (variant.mutate) variant.mutate(parameters);
  const size_t slice = variant.slice == 0 ? golden.tokens.size() : variant.slice;
  auto cache = MUST(Cache::create(
      bench.account, cache_spec(parameters, ops::CacheType::kF32, golden.tokens.size(), 1)));
  auto executor = MUST(Executor::create({.architecture = bench.model->architecture(),
                                         .parameters = parameters,
                                         .weights = bench.model->weights(),
                                         .pool = *bench.pool,
                                         .account = bench.account,
                                         .isa = variant.isa,
                                         .cache_type = ops::CacheType::kF32,
                                         .columns_max = slice,
                                         .logits_max = slice,
                                         .context = golden.tokens.size()}));
  const auto sequence = MUST(cache.create_sequence());
  MUST(cache.reserve(sequence, static_cast<uint32_t>(golden.tokens.size())));
  double worst = 0;
  size_t next = 0;
  for (size_t begin = 0; begin < golden.tokens.size(); begin += slice) {
    PassSpec spec;
    const size_t end = std::min(begin + slice, golden.tokens.size());
    for (size_t i = begin; i < end; ++i) {
      spec.columns.push_back(
          {.sequence = sequence, .token = golden.tokens[i], .wants_logits = true});
    }
    const PassResult pass = MUST(executor->run(spec, cache));
    EXPECT_TRUE(pass.faults.empty());
    for (; next < golden.positions.size() && golden.positions[next] < end; ++next) {
      const auto& want = golden.logits[next];
      const auto got =
          pass.logits.subspan((golden.positions[next] - begin) * want.size(), want.size());
      double squares = 0;
      double largest = 0;
      for (size_t i = 0; i < want.size(); ++i) {
        squares += want[i] * want[i];
        const double difference = std::fabs(static_cast<double>(got[i]) - want[i]);
        largest = std::isnan(difference) ? HUGE_VAL : std::max(largest, difference);
      }
      worst = std::max(worst, largest / std::sqrt(squares / static_cast<double>(want.size())));
    }
  }
  EXPECT_EQ(next, golden.positions.size());
  return worst;
}

class ArchGolden : public testing::TestWithParam<std::string> {};

TEST_P(ArchGolden, PrefillAndStepByStepOnEveryInstructionSet) {
  const Golden golden = read_golden(GetParam());
  ASSERT_GE(golden.positions.size(), 8u);
  Bench bench(golden.name);
  for (const auto isa : {device::Isa::kScalar, device::Isa::kAvx2, device::best_isa()}) {
    if (isa > device::best_isa()) continue;
    for (const size_t slice : {size_t{0}, size_t{1}, size_t{17}}) {
      EXPECT_LE(distance(golden, bench, {isa, slice, {}}), golden.tolerance)
          << "slice " << slice << ", " << device::isa_name(isa);
    }
  }
}

using Parameters = model::HyperParameters;
using Mutants = std::vector<std::pair<std::string, std::function<void(Parameters&)>>>;

/// Mistakes that every architecture's golden must notice.
Mutants general_mutants() {
  return {
      {"norm epsilon", [](Parameters& p) { p.norm_eps *= 10; }},
      {"RoPE pairing",
       [](Parameters& p) {
         p.rope_pairing = p.rope_pairing == ops::RopePairing::kHalves
                              ? ops::RopePairing::kInterleaved
                              : ops::RopePairing::kHalves;
       }},
      {"RoPE base", [](Parameters& p) { p.rope[0].freq_base *= 1.5; }},
      {"attention scale", [](Parameters& p) { p.attention_scale *= 1.02f; }},
      {"gate activation",
       [](Parameters& p) {
         p.gate = p.gate == ops::GateActivation::kSilu ? ops::GateActivation::kGeluErf
                                                       : ops::GateActivation::kSilu;
       }},
      {"embedding scale", [](Parameters& p) { p.embedding_scale *= 1.01f; }},
  };
}

/// Those of biases, norms and experts, where there are such.
void add_part_mutants(const Parameters& own, Mutants& mutants) {
  if (own.qkv_bias) mutants.emplace_back("no biases", [](Parameters& p) { p.qkv_bias = false; });
  if (own.head_norms) {
    mutants.emplace_back("no head norms", [](Parameters& p) { p.head_norms = false; });
  }
  if (own.whole_norms) {
    mutants.emplace_back("no q and k norms", [](Parameters& p) { p.whole_norms = false; });
  }
  if (own.value_norm) {
    mutants.emplace_back("values not normed", [](Parameters& p) { p.value_norm = false; });
  }
  if (own.layer_scale) {
    mutants.emplace_back("no layer scale", [](Parameters& p) { p.layer_scale = false; });
  }
  if (std::isfinite(own.layer_kinds[0].gate_cut)) {
    mutants.emplace_back("gates not cut", [](Parameters& p) {
      for (auto& kind : p.layer_kinds) kind.gate_cut = -HUGE_VALF;
    });
    mutants.emplace_back("gates cut a little lower", [](Parameters& p) {
      for (auto& kind : p.layer_kinds) kind.gate_cut -= 0.01f;
    });
  }
  // Where every layer must have one, the golden maker's mutants speak for it.
  if (own.per_layer_width > 0 && own.laurel_rank == 0) {
    mutants.emplace_back("no inputs by token", [](Parameters& p) { p.per_layer_width = 0; });
  }
  if (own.cached_layers() < own.layers) {
    mutants.emplace_back("keys of the first layer with keys like these", [](Parameters& p) {
      for (auto& kind : p.layer_kinds) {
        for (uint32_t i = 0; kind.kv_of && i < *kind.kv_of; ++i) {
          if (p.layer_kinds[i].head_dim == kind.head_dim) kind.kv_of = i;
        }
      }
    });
  }
  if (own.experts > 0) {
    mutants.emplace_back("one expert fewer", [](Parameters& p) { --p.experts_used; });
    mutants.emplace_back("weights of the chosen not brought to 1",
                         [](Parameters& p) { p.experts_normalised = false; });
  }
}

/// Those of factors, caps and norms of another kind.
void add_factor_mutants(const Parameters& own, Mutants& mutants) {
  if (own.embedding_scale != 1) {
    mutants.emplace_back("no embedding scale", [](Parameters& p) { p.embedding_scale = 1; });
  }
  if (own.residual_scale != 1) {
    mutants.emplace_back("no residual scale", [](Parameters& p) { p.residual_scale = 1; });
  }
  if (own.logit_scale != 1) {
    mutants.emplace_back("no logit scale", [](Parameters& p) { p.logit_scale = 1; });
  }
  if (own.attention_soft_cap != 0) {
    mutants.emplace_back("no cap on scores", [](Parameters& p) { p.attention_soft_cap = 0; });
  }
  if (own.logit_soft_cap != 0) {
    mutants.emplace_back("no cap on logits", [](Parameters& p) { p.logit_soft_cap = 0; });
  }
  if (own.temperature_scale != 0) {
    mutants.emplace_back("no temperature", [](Parameters& p) { p.temperature_scale = 0; });
    mutants.emplace_back("temperature one position late",
                         [](Parameters& p) { ++p.temperature_length; });
  }
  if (own.centred_norms) {
    mutants.emplace_back("RMSNorm", [](Parameters& p) { p.centred_norms = false; });
  }
  if (own.rope.size() > 1) {
    mutants.emplace_back("one RoPE set everywhere", [](Parameters& p) {
      const uint32_t dim = p.rope[1].rotary_dim;
      p.rope[1] = p.rope[0];
      p.rope[1].rotary_dim = dim;
    });
  }
  if (own.rope[0].kind != ops::RopeScalingKind::kNone) {
    mutants.emplace_back("no RoPE scaling", [](Parameters& p) {
      p.rope[0].kind = ops::RopeScalingKind::kNone;
      p.rope[0].factor = 1;
    });
  }
  if (!own.rope_factors_long.empty()) {
    mutants.emplace_back("RoPE factors of the other length", [](Parameters& p) {
      std::swap(p.rope_factors_short, p.rope_factors_long);
    });
    mutants.emplace_back("no factor on cosines and sines",
                         [](Parameters& p) { p.rope[0].attention_factor = 1; });
  }
  if (!own.rope_factors.empty()) {
    mutants.emplace_back("no RoPE factors", [](Parameters& p) { p.rope_factors = {}; });
  }
}

/// Those of windows and of layers without RoPE: both sides of the edge, and the pattern.
void add_layer_mutants(const Parameters& own, Mutants& mutants) {
  const auto each_layer = [](auto&& change) {
    return [change](Parameters& p) {
      for (auto& kind : p.layer_kinds) change(kind);
    };
  };
  const auto is_global = [](const model::LayerKind& kind) { return kind.window == 0; };
  const auto& kinds = own.layer_kinds;
  if (!std::all_of(kinds.begin(), kinds.end(), is_global)) {
    mutants.emplace_back("window one longer", each_layer([](model::LayerKind& kind) {
                           kind.window += kind.window > 0 ? 1 : 0;
                         }));
    mutants.emplace_back("window one shorter", each_layer([](model::LayerKind& kind) {
                           kind.window -= kind.window > 0 ? 1 : 0;
                         }));
    const bool alike = std::all_of(kinds.begin(), kinds.end(), [&](const auto& kind) {
      return kind.head_dim == kinds[0].head_dim && kind.kv_of == kinds[0].kv_of;
    });
    if (alike && std::any_of(kinds.begin(), kinds.end(), is_global)) {
      mutants.emplace_back("global layer made local", [](Parameters& p) {
        for (auto& kind : p.layer_kinds) kind = p.layer_kinds[0];
      });
    }
  }
  if (!std::all_of(kinds.begin(), kinds.end(), [](const auto& kind) { return kind.rope; })) {
    mutants.emplace_back("RoPE everywhere",
                         each_layer([](model::LayerKind& kind) { kind.rope = true; }));
    mutants.emplace_back("RoPE one layer late", [](Parameters& p) {
      for (size_t i = p.layer_kinds.size(); i-- > 1;) {
        p.layer_kinds[i].rope = p.layer_kinds[i - 1].rope;
      }
    });
  }
}

TEST_P(ArchGolden, MutantsAreRejected) {
  const Golden golden = read_golden(GetParam());
  Bench bench(golden.name);
  Mutants mutants = general_mutants();
  add_part_mutants(bench.model->parameters(), mutants);
  add_factor_mutants(bench.model->parameters(), mutants);
  add_layer_mutants(bench.model->parameters(), mutants);
  if (!bench.model->parameters().rope_factors_long.empty()) {
    // Just as long is not longer: the edge belongs to the short factors.
    mutants.emplace_back("the original context on the other side", [&](Parameters& p) {
      const auto length = static_cast<double>(golden.tokens.size());
      p.rope[0].original_context = p.turns_long(golden.tokens.size()) ? length : length - 1;
    });
  }
  ASSERT_GE(mutants.size(), 4u);
  for (const auto& [name, mutate] : mutants) {
    EXPECT_GT(distance(golden, bench, {device::best_isa(), 0, mutate}), golden.tolerance) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ArchGolden, testing::ValuesIn(golden_names()),
                         [](const auto& golden) { return golden.param; });

}  // namespace
}  // namespace freehold::runtime
