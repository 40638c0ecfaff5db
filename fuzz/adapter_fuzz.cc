// Any bytes as an adapter of a small model. What opens must be of the base's shapes, within the
// file, and load.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/check.h"
#include "io/simulated_file_system.h"
#include "model/gguf/gguf_bytes.h"
#include "runtime/adapter/adapter.h"
#include "runtime/engine/model.h"

namespace {

using namespace freehold;

/// One layer of llama, 32 wide, with 48 tokens; no values are ever read.
std::unique_ptr<runtime::Model> make_base() {
  model::GgufBytes file;
  file.text("general.architecture", "llama").u32("llama.block_count", 1);
  file.u32("llama.context_length", 64).u32("llama.embedding_length", 32);
  file.u32("llama.feed_forward_length", 64).u32("llama.attention.head_count", 2);
  file.f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  const auto matrix = [&](const char* name, uint64_t width, uint64_t rows) {
    file.tensor(name, {width, rows}, 0, width * rows * 4);
  };
  const auto vector = [&](const char* name) { file.tensor(name, {32}, 0, 128); };
  matrix("token_embd.weight", 32, 48);
  vector("blk.0.attn_norm.weight");
  for (const char* name : {"blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight",
                           "blk.0.attn_output.weight"}) {
    matrix(name, 32, 32);
  }
  vector("blk.0.ffn_norm.weight");
  matrix("blk.0.ffn_gate.weight", 32, 64);
  matrix("blk.0.ffn_up.weight", 32, 64);
  matrix("blk.0.ffn_down.weight", 64, 32);
  vector("output_norm.weight");
  matrix("output.weight", 32, 48);
  io::SimulatedFileSystem files;
  files.put("/b.gguf", file.build());
  return MUST(runtime::Model::open(
      std::make_unique<model::GgufModel>(MUST(model::GgufModel::open(files, "/b.gguf")))));
}

void check_pair(const runtime::AdapterPair& pair, const model::WeightSpec& spec) {
  const uint64_t in = pair.by_token ? pair.a.rows : pair.a.width;
  CHECK(pair.by_token == (spec.role == model::WeightRole::kEmbedding));
  CHECK(in == (pair.by_token ? spec.rows : spec.width));
  CHECK(pair.b.rows == (pair.by_token ? spec.width : spec.rows));
  CHECK(pair.rank >= 1 && pair.rank <= runtime::Adapter::kRankMax && pair.b.width == pair.rank);
  CHECK(pair.factor == pair.factor);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::unique_ptr<runtime::Model> base = make_base();
  device::MemoryAccount account;  // outlives the adapter, whose memory it counts
  io::SimulatedFileSystem files;
  files.put("/a.gguf", std::string_view(reinterpret_cast<const char*>(data), size));
  auto file = model::GgufModel::open(files, "/a.gguf");
  if (!file.ok()) return 0;
  auto adapter = runtime::Adapter::open(std::move(file).value(), *base);
  if (!adapter.ok()) {
    CHECK(!adapter.error().message.empty());
    return 0;
  }
  size_t pairs = 0;
  for (const model::WeightSpec& spec : base->specs()) {
    const runtime::AdapterPair* pair = (*adapter)->find(spec.name);
    if (pair == nullptr) continue;
    check_pair(*pair, spec);
    ++pairs;
  }
  CHECK(pairs == (*adapter)->pairs());
  (void)(*adapter)->load(account, nullptr).ok();
  return 0;
}
