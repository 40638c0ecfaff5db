#pragma once
// Adapters as bytes for the tests of this room, right or wrong on purpose. For tests and the fuzzer
// only.

#include <cstring>
#include <string>

#include "base/random.h"
#include "io/simulated_file_system.h"
#include "model/gguf/gguf_bytes.h"
#include "runtime/adapter/adapter.h"
#include "runtime/engine/model.h"

namespace freehold::runtime {

inline constexpr uint32_t kAdapterTypeF32 = 0;

/// The keys of a sound adapter for `architecture`.
inline model::GgufBytes adapter_keys(std::string_view architecture) {
  model::GgufBytes file;
  file.text("general.type", "adapter").text("general.architecture", architecture);
  file.text("adapter.type", "lora").f32("adapter.lora.alpha", 16.0f);
  return file;
}

/// Adds a pair of f32 matrices as the converter shapes them.
inline void add_pair(model::GgufBytes& file, const std::string& name, uint64_t in, uint64_t out,
                     uint64_t rank, bool by_token = false) {
  const uint64_t a_width = by_token ? rank : in;
  const uint64_t a_rows = by_token ? in : rank;
  file.tensor(name + ".lora_a", {a_width, a_rows}, kAdapterTypeF32, a_width * a_rows * 4);
  file.tensor(name + ".lora_b", {rank, out}, kAdapterTypeF32, rank * out * 4);
}

/// The file with small random numbers for values.
inline std::string with_random_values(const model::GgufBytes& file, uint64_t seed) {
  std::string bytes = file.build();
  base::RandomStream random(seed);
  for (size_t at = file.data_start(); at + 4 <= bytes.size(); at += 4) {
    const float value = (static_cast<float>(random.below(20001)) - 10000.0f) * 1e-5f;
    std::memcpy(bytes.data() + at, &value, 4);
  }
  return bytes;
}

/// Pairs of different ranks for every matrix of `base` but experts, embedding included.
inline std::string adapter_for(const Model& base, uint64_t seed) {
  model::GgufBytes file = adapter_keys(base.architecture().name);
  uint64_t rank = 1 + seed % 3;
  for (const model::WeightSpec& spec : base.specs()) {
    const bool by_token = spec.role == model::WeightRole::kEmbedding;
    if (!by_token && spec.role != model::WeightRole::kMatrix) continue;
    add_pair(file, spec.name, by_token ? spec.rows : spec.width, by_token ? spec.width : spec.rows,
             rank, by_token);
    rank = 1 + (rank * 7 + seed) % 37;
  }
  return with_random_values(file, seed);
}

inline Result<std::unique_ptr<Adapter>> open_adapter(std::string_view bytes, const Model& base) {
  io::SimulatedFileSystem files;
  files.put("/a.gguf", bytes);
  return Adapter::open(TRY(model::GgufModel::open(files, "/a.gguf")), base);
}

/// The same with its values; the account outlives it.
inline std::unique_ptr<Adapter> load_adapter(std::string_view bytes, const Model& base,
                                             device::MemoryAccount& account) {
  io::SimulatedFileSystem files;
  files.put("/a.gguf", bytes);
  auto adapter = MUST(Adapter::open(MUST(model::GgufModel::open(files, "/a.gguf")), base));
  MUST(adapter->load(account, nullptr));
  return adapter;
}

}  // namespace freehold::runtime
