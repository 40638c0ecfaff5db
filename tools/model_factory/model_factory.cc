#include "model_factory/model_factory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/bytes.h"
#include "base/random.h"
#include "model_factory/model_plan.h"
#include "model_factory/random_blocks.h"

namespace freehold::factory {

namespace {

// Data is made and written in pieces of about this size; all the memory that weights take.
constexpr uint64_t kPieceBytes = 1u << 20;

using Buffer = std::vector<std::byte>;

float deviation_of(const FilledTensor& filled) {
  const float spread = 1.0f / std::sqrt(static_cast<float>(filled.tensor.dims[0]));
  return filled.fill == Fill::kLogits ? 3.0f * spread : spread;
}

Status write_matrix(io::WritableFile& file, const FilledTensor& filled, uint64_t seed,
                    uint32_t stream, Buffer& buffer) {
  const quant::Format& format = *filled.tensor.format;
  const BlockShaper shaper(format, deviation_of(filled));
  // A piece is a multiple of 8 blocks, so that it is a multiple of 8 bytes in every format.
  const uint64_t group = 8ull * format.block_bytes;
  const uint64_t piece = kPieceBytes / group * group;
  const uint64_t total = filled.tensor.bytes();
  for (uint64_t done = 0; done < total; done += piece) {
    const uint64_t bytes = std::min(piece, total - done);
    buffer.resize(base::align_up<uint64_t>(bytes, 8));
    fill_random(buffer, seed, stream, done);
    const auto blocks = std::span(buffer).first(bytes);
    shaper.shape(blocks);
    TRY(file.append(blocks));
  }
  return {};
}

Status write_vector(io::WritableFile& file, const FilledTensor& filled,
                    const FactoryOptions& options, uint32_t stream) {
  std::vector<float> values(filled.tensor.values());
  if (filled.fill == Fill::kRopeFactors) {
    values = llama3_rope_factors(options);
  } else if (filled.fill == Fill::kSlowPairs) {
    std::fill(values.begin(), values.end(), 1e30f);
    std::fill_n(values.begin(), values.size() / 4, 1.0f);
  } else {
    base::RandomStream random(options.seed, stream);
    const float middle = filled.fill == Fill::kNorm ? 1.0f : 0.0f;
    for (float& value : values) value = middle + 0.25f * (2.0f * random.uniform() - 1.0f);
  }
  return file.append(std::as_bytes(std::span(values)));
}

std::string file_path(const std::string& path, uint32_t shard, uint32_t shards) {
  if (shards == 1) return path;
  const std::string stem = path.ends_with(".gguf") ? path.substr(0, path.size() - 5) : path;
  return fmt::format("{}-{:05}-of-{:05}.gguf", stem, shard + 1, shards);
}

// First tensor of each shard and the end, by bytes.
std::vector<size_t> cut_into_shards(const ModelPlan& plan) {
  uint64_t total = 0;
  for (const FilledTensor& filled : plan.tensors) total += filled.tensor.padded_bytes();
  std::vector<size_t> starts = {0};
  uint64_t seen = 0;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const uint64_t wanted = total / plan.options.shards * starts.size();
    if (starts.size() < plan.options.shards && seen >= wanted && i > starts.back()) {
      starts.push_back(i);
    }
    seen += plan.tensors[i].tensor.padded_bytes();
  }
  while (starts.size() < plan.options.shards) starts.push_back(plan.tensors.size());
  starts.push_back(plan.tensors.size());
  return starts;
}

std::string shard_header(const ModelPlan& plan, uint32_t shard,
                         std::span<const FilledTensor> part) {
  model::GgufHeader header;
  if (shard == 0) add_keys(header, plan);
  if (plan.options.shards > 1) {
    header.add_u16("split.no", static_cast<uint16_t>(shard));
    header.add_u16("split.count", static_cast<uint16_t>(plan.options.shards));
    header.add_i32("split.tensors.count", static_cast<int32_t>(plan.tensors.size()));
  }
  std::vector<model::PlannedTensor> tensors;
  for (const FilledTensor& filled : part) tensors.push_back(filled.tensor);
  return header.build(tensors);
}

Status write_file(io::WritableFile& file, const ModelPlan& plan, uint32_t shard, size_t first,
                  size_t end) {
  const auto part = std::span(plan.tensors).subspan(first, end - first);
  const std::string header = shard_header(plan, shard, part);
  TRY(file.append(std::as_bytes(std::span(header))));
  const std::byte padding[model::kGgufAlignment] = {};
  Buffer buffer;
  for (size_t i = first; i < end; ++i) {
    const FilledTensor& filled = plan.tensors[i];
    const auto stream = static_cast<uint32_t>(i);  // each tensor draws its own numbers
    const bool matrix = filled.fill == Fill::kMatrix || filled.fill == Fill::kLogits;
    TRY(matrix ? write_matrix(file, filled, plan.options.seed, stream, buffer)
               : write_vector(file, filled, plan.options, stream));
    const uint64_t gap = filled.tensor.padded_bytes() - filled.tensor.bytes();
    TRY(file.append(std::span(padding).first(gap)));
  }
  return file.close();
}

FactoryReport report_of(const ModelPlan& plan, const std::string& path) {
  FactoryReport report;
  report.tensors = plan.tensors.size();
  const std::vector<size_t> starts = cut_into_shards(plan);
  for (uint32_t shard = 0; shard < plan.options.shards; ++shard) {
    const auto part =
        std::span(plan.tensors).subspan(starts[shard], starts[shard + 1] - starts[shard]);
    report.files.push_back(file_path(path, shard, plan.options.shards));
    report.file_bytes += shard_header(plan, shard, part).size();
    for (const FilledTensor& filled : part) {
      report.parameters += filled.tensor.values();
      report.tensor_bytes += filled.tensor.bytes();
      report.file_bytes += filled.tensor.padded_bytes();
    }
  }
  return report;
}

}  // namespace

std::vector<std::string_view> types() { return mix_names(); }

Result<FactoryReport> plan_model(const FactoryOptions& options) {
  return report_of(TRY(make_plan(options)), "model.gguf");
}

Result<FactoryReport> write_model(io::FileSystem& files, const std::string& path,
                                  const FactoryOptions& options) {
  const ModelPlan plan = TRY(make_plan(options));
  const FactoryReport report = report_of(plan, path);
  const std::vector<size_t> starts = cut_into_shards(plan);
  for (uint32_t shard = 0; shard < plan.options.shards; ++shard) {
    const std::string part = report.files[shard] + ".part";
    const auto file = TRY(files.create(part, io::WriteMode::kTruncate));
    Status written = write_file(*file, plan, shard, starts[shard], starts[shard + 1]);
    if (written.ok()) written = files.rename(part, report.files[shard]);
    if (!written.ok()) {
      (void)files.remove(part);
      return std::move(written).error();
    }
  }
  return report;
}

}  // namespace freehold::factory
