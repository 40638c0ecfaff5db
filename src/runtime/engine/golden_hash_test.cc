// The SHA-256 of the logits of factory models, for every format, architecture and cache type, equal
// on every instruction set of this machine and to the hashes committed in golden/logits_sha256.txt,
// which every other machine must reach as well (docs/NUMERICS.md, section 7, point 2).
// FREEHOLD_WRITE_HASHES=1 writes the file anew: a change of a hash is a change of the profile.

#include <cstdlib>
#include <fstream>
#include <map>

#include "runtime/engine/test_model.h"

namespace freehold::runtime {
namespace {

struct Case {
  std::string architecture;
  std::string type;
  ops::CacheType cache;
  std::string name() const {
    return architecture + " " + type + " kv-" + std::string(ops::cache_type_name(cache));
  }
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const quant::Format& format : quant::all_formats()) {
    all.push_back({"llama", std::string(format.name), ops::CacheType::kF16});
  }
  for (const char* architecture :
       {"qwen2", "qwen3", "qwen3moe", "gemma3", "gemma2", "smollm3", "granite", "olmo2", "exaone4",
        "glm4", "seed_oss", "phi3", "cohere2", "mistral3", "gemma4", "command-r", "ernie4_5",
        "gemma3n"}) {
    all.push_back({architecture, "Q4_K_M", ops::CacheType::kF16});
    all.push_back({architecture, "Q8_0", ops::CacheType::kF16});
  }
  for (const auto cache : {ops::CacheType::kF32, ops::CacheType::kQ8_0, ops::CacheType::kK16V8}) {
    all.push_back({"llama", "Q4_K_M", cache});
  }
  return all;
}

std::string path() { return std::string(FREEHOLD_SOURCE_DIR) + "/golden/logits_sha256.txt"; }

std::map<std::string, std::string> read_hashes() {
  std::ifstream file(path());
  std::map<std::string, std::string> hashes;
  std::string line;
  while (std::getline(file, line)) {
    const size_t space = line.rfind(' ');
    if (!line.starts_with('#') && space != std::string::npos) {
      hashes[line.substr(0, space)] = line.substr(space + 1);
    }
  }
  return hashes;
}

// More than one chunk of 256 positions, and no whole number of 16 columns.
constexpr size_t kTokens = 270;

TEST(GoldenHashSlow, EveryFormatArchitectureAndCacheOnEveryInstructionSet) {
  const bool write = std::getenv("FREEHOLD_WRITE_HASHES") != nullptr;
  const auto expected = read_hashes();
  std::ofstream out;
  if (write) {
    out.open(path());
    out << "# SHA-256 of the logits of 270 positions of factory models (seed 7), by architecture,\n"
           "# format and cache, under the numerics profile fh-1.\n";
  }
  for (const Case& item : cases()) {
    TestModel test(small_model(item.architecture, item.type), 2);
    const auto tokens = random_tokens(kTokens, 384, 11);
    const std::string scalar = evaluate_hash(test, tokens, device::Isa::kScalar, 0, item.cache);
    for (const auto isa : {device::Isa::kAvx2, device::Isa::kAvx512, device::Isa::kAmx}) {
      if (isa > device::best_isa()) continue;
      EXPECT_EQ(evaluate_hash(test, tokens, isa, 0, item.cache), scalar)
          << item.name() << " on " << device::isa_name(isa);
    }
    if (write) {
      out << item.name() << ' ' << scalar << '\n';
    } else {
      const auto found = expected.find(item.name());
      ASSERT_NE(found, expected.end()) << item.name() << " has no committed hash";
      EXPECT_EQ(scalar, found->second) << item.name();
    }
  }
}

}  // namespace
}  // namespace freehold::runtime
