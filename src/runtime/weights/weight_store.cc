#include "runtime/weights/weight_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

#include "base/bytes.h"
#include "base/check.h"
#include "quant/activation.h"

namespace freehold::runtime {

namespace {

/// Longest panel (docs/ARCHITECTURE.md): what one direct read of a streaming ring will carry.
constexpr uint64_t kPanelBytesMax = uint64_t{4} << 20;
constexpr uint64_t kPanelRowUnit = 16;
constexpr size_t kPanelAlignment = 64;

uint64_t rows_per_panel(uint64_t rows, uint64_t row_bytes) {
  const uint64_t fitting = std::max<uint64_t>(1, kPanelBytesMax / row_bytes);
  const uint64_t whole = std::max(kPanelRowUnit, fitting / kPanelRowUnit * kPanelRowUnit);
  return std::min(whole, base::divide_up(rows, kPanelRowUnit) * kPanelRowUnit);
}

/// Suffixes are compared as they are stored: the part after "blk.N." of a layer's tensor.
std::string suffix_of(const model::WeightSpec& spec) {
  if (spec.layer == model::WeightSpec::kNoLayer) return spec.name;
  return spec.name.substr(model::layer_name(static_cast<uint32_t>(spec.layer), "").size());
}

template <class Names>
std::optional<size_t> find_named(const Names& names, std::string_view name) {
  for (const auto& entry : names) {
    if (entry.name == name) return entry.index;
  }
  return std::nullopt;
}

Status check_rows(const MatrixWeights& matrix, const Panel& panel) {
  const quant::Format& format = *matrix.format;
  if (format.rows_valid == nullptr ||
      format.rows_valid(panel.rows, matrix.row_bytes, panel.row_count)) {
    return {};
  }
  return Error{ErrorCode::kDamaged,
               fmt::format("tensor '{}' holds a block that {} forbids", matrix.name, format.name),
               "the file is damaged; fetch it again"};
}

}  // namespace

Result<std::unique_ptr<WeightStore>> WeightStore::load(const model::GgufModel& file,
                                                       std::span<const model::WeightSpec> specs,
                                                       bool tied_output, Options options) {
  auto store = std::make_unique<WeightStore>();
  TRY(store->place(file, specs, tied_output));
  uint64_t total = 0;
  for (const MatrixWeights& matrix : store->matrices_) {
    total += base::align_up<uint64_t>(matrix.rows * matrix.row_bytes, kPanelAlignment);
  }
  store->memory_ = TRY(device::Buffer::create(options.account, device::MemoryUse::kWeights, total));
  TRY(store->read_matrices(file, options));
  return store;
}

Status WeightStore::place(const model::GgufModel& file, std::span<const model::WeightSpec> specs,
                          bool tied_output) {
  int32_t layers = 0;
  for (const model::WeightSpec& spec : specs) layers = std::max(layers, spec.layer + 1);
  groups_.resize(static_cast<size_t>(layers) + 1);
  for (const model::WeightSpec& spec : specs) {
    const model::TensorInfo* tensor = file.find(spec.name);
    CHECK(tensor != nullptr);  // check_weights() came before
    switch (spec.role) {
      case model::WeightRole::kVector:
      case model::WeightRole::kConstant:
        TRY(read_vector(file, spec));
        continue;
      case model::WeightRole::kEmbedding:
        if (!tied_output) {
          io::ReadableFile* shard = file.shards()[tensor->shard].get();
          const io::FileIdentity identity = TRY(shard->identity());
          row_tables_.push_back({spec.name, tensor, shard, identity});
          continue;
        }
        break;
      case model::WeightRole::kMatrix:
        break;
    }
    group(spec.layer).matrices.push_back({suffix_of(spec), matrices_.size()});
    MatrixWeights matrix;
    matrix.name = spec.name;
    matrix.format = tensor->format;
    matrix.rows = spec.rows;
    matrix.width = spec.width;
    matrix.row_bytes = tensor->format->row_bytes(spec.width);
    matrix.panel_rows = rows_per_panel(matrix.rows, matrix.row_bytes);
    bytes_per_pass_ += tensor->bytes;
    width_max_ = std::max(width_max_, matrix.width);
    matrices_.push_back(std::move(matrix));
    tensors_.push_back(tensor);
  }
  return {};
}

Status WeightStore::read_matrices(const model::GgufModel& file, const Options& options) {
  struct Task {
    MatrixWeights* matrix;
    const model::TensorInfo* tensor;
    size_t panel;
    std::byte* into;
  };
  std::vector<Task> tasks;
  std::byte* next = memory_.data();
  for (size_t i = 0; i < matrices_.size(); ++i) {
    MatrixWeights& matrix = matrices_[i];
    for (uint64_t row = 0; row < matrix.rows; row += matrix.panel_rows) {
      const uint64_t count = std::min(matrix.panel_rows, matrix.rows - row);
      std::byte* into = next + row * matrix.row_bytes;
      tasks.push_back({&matrix, tensors_[i], matrix.panels.size(), into});
      matrix.panels.push_back({into, row, count});
    }
    next += base::align_up<uint64_t>(matrix.rows * matrix.row_bytes, kPanelAlignment);
  }
  std::mutex failure_lock;
  std::optional<Error> failure;
  std::atomic<bool> failed{false};
  const auto stopped = [&] { return options.stop != nullptr && options.stop->load(); };
  options.pool.run(tasks.size(), [&](size_t index, size_t) {
    if (failed.load(std::memory_order_relaxed) || stopped()) return;
    const Task& task = tasks[index];
    const Panel& panel = task.matrix->panels[task.panel];
    Status status = file.shards()[task.tensor->shard]->read_exactly(
        task.tensor->offset + panel.first_row * task.matrix->row_bytes,
        {task.into, panel.row_count * task.matrix->row_bytes});
    if (status.ok()) status = check_rows(*task.matrix, panel);
    if (status.ok()) return;
    const std::lock_guard lock(failure_lock);
    if (!failure) failure = std::move(status).error().within(task.matrix->name);
    failed.store(true, std::memory_order_relaxed);
  });
  if (failure) return *std::move(failure);
  if (stopped()) return Error{ErrorCode::kInterrupted, {}, {}};
  return {};
}

Status WeightStore::read_vector(const model::GgufModel& file, const model::WeightSpec& spec) {
  const model::TensorInfo& tensor = *file.find(spec.name);
  std::vector<std::byte> bytes(tensor.bytes);
  TRY(file.shards()[tensor.shard]->read_exactly(tensor.offset, bytes));
  std::vector<float> values(spec.width);
  tensor.format->decode_row(bytes.data(), spec.width, values.data());
  if (!quant::all_finite(values.data(), values.size())) {
    return Error{ErrorCode::kDamaged,
                 fmt::format("tensor '{}' holds values that are not finite", spec.name),
                 "the file is damaged; fetch it again"};
  }
  group(spec.layer).vectors.push_back({suffix_of(spec), vectors_.size()});
  vectors_.push_back(std::move(values));
  return {};
}

const MatrixWeights& WeightStore::matrix(int32_t layer, std::string_view name) const {
  const auto index = find_named(group(layer).matrices, name);
  CHECK(index.has_value());
  return matrices_[*index];
}

std::span<const float> WeightStore::vector(int32_t layer, std::string_view name) const {
  const auto index = find_named(group(layer).vectors, name);
  CHECK(index.has_value());
  return vectors_[*index];
}

Status WeightStore::embedding_row(std::string_view name, uint64_t row, std::span<float> out) const {
  for (const RowTable& table : row_tables_) {
    if (table.name != name) continue;
    const quant::Format& format = *table.tensor->format;
    const size_t row_bytes = format.row_bytes(out.size());
    std::vector<std::byte> bytes(row_bytes);
    if (TRY(table.file->identity()) != table.identity) {
      return Error{ErrorCode::kDamaged,
                   fmt::format("{} changed while it was in use", table.file->path()),
                   "start again once nothing writes to it"};
    }
    TRY(table.file->read_exactly(table.tensor->offset + row * row_bytes, bytes));
    if (format.rows_valid != nullptr && !format.rows_valid(bytes.data(), row_bytes, 1)) {
      return Error{
          ErrorCode::kDamaged,
          fmt::format("row {} of '{}' holds a block that {} forbids", row, name, format.name),
          "the file is damaged; fetch it again"};
    }
    format.decode_row(bytes.data(), out.size(), out.data());
    return {};
  }
  const MatrixWeights& resident = matrix(model::WeightSpec::kNoLayer, name);
  resident.format->decode_row(resident.row(row), out.size(), out.data());
  return {};
}

}  // namespace freehold::runtime
