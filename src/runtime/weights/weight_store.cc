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

constexpr size_t kPanelAlignment = 64;
constexpr size_t kHeaderPieceBytes = 256u << 10;

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
                                                       const WeightLayout& layout,
                                                       Options options) {
  auto store = std::make_unique<WeightStore>();
  store->sources_ = TRY(open_sources(file, options.files, options.streaming.mirrors));
  TRY(store->check_headers(file));
  TRY(store->place(file, specs, layout));
  uint64_t total = 0;
  for (const MatrixLayout& matrix : layout.matrices) {
    for (size_t panel = 0; panel < matrix.panels(); ++panel) {
      if (!matrix.pinned[panel]) continue;
      total += base::align_up<uint64_t>(matrix.bytes_of(panel), kPanelAlignment);
    }
  }
  store->memory_ = TRY(device::Buffer::create(options.account, device::MemoryUse::kWeights, total));
  std::vector<StreamedPanel> streamed;
  store->place_panels(layout, streamed);
  TRY(store->read_pinned(options));
  // Whoever wrote to a file while it was being loaded spoilt what nobody else vouches for.
  for (const WeightSource& source : store->sources_) TRY(source.check_unchanged());
  if (!layout.pins_experts()) options.streaming.clock = nullptr;
  if (!streamed.empty()) TRY(store->start_ring(std::move(streamed), options));
  if (!layout.pins_experts()) TRY(store->start_experts(layout, options));
  return store;
}

Status WeightStore::check_headers(const model::GgufModel& file) const {
  std::vector<uint64_t> ends(sources_.size());
  for (size_t i = 0; i < ends.size(); ++i) ends[i] = sources_[i].file->size();
  for (const model::TensorInfo& tensor : file.tensors()) {
    ends[tensor.shard] = std::min(ends[tensor.shard], tensor.offset);
  }
  std::vector<std::byte> piece(kHeaderPieceBytes);
  for (uint32_t shard = 0; shard < sources_.size(); ++shard) {
    if (sources_[shard].table() == nullptr) continue;
    for (uint64_t at = 0; at < ends[shard]; at += piece.size()) {
      const auto bytes = static_cast<size_t>(std::min<uint64_t>(piece.size(), ends[shard] - at));
      // Of every copy: one of another model is found out here.
      for (size_t copy = 0; copy < sources_[shard].copies(); ++copy) {
        TRY(read_copy(sources_[shard], copy, at, std::span(piece).first(bytes)));
      }
    }
  }
  return {};
}

Status WeightStore::place(const model::GgufModel& file, std::span<const model::WeightSpec> specs,
                          const WeightLayout& layout) {
  int32_t layers = 0;
  for (const model::WeightSpec& spec : specs) layers = std::max(layers, spec.layer + 1);
  groups_.resize(static_cast<size_t>(layers) + 1);
  for (const MatrixLayout& matrix : layout.matrices) {
    place_matrix(matrix);
    const bool looked_up = matrix.spec->role == model::WeightRole::kEmbedding;
    if (looked_up && !matrix.is_pinned()) place_rows(file, matrix.spec->name);
  }
  for (const model::WeightSpec& spec : specs) {
    switch (spec.role) {
      case model::WeightRole::kVector:
      case model::WeightRole::kTable:
      case model::WeightRole::kHead:
      case model::WeightRole::kConstant:
        TRY(read_vector(file, spec));
        break;
      case model::WeightRole::kEmbedding:
        if (!find_named(group(spec.layer).matrices, spec.name)) place_rows(file, spec.name);
        break;
      case model::WeightRole::kMatrix:
      case model::WeightRole::kExperts:
        break;
    }
  }
  return {};
}

void WeightStore::place_matrix(const MatrixLayout& layout) {
  group(layout.spec->layer).matrices.push_back({suffix_of(*layout.spec), matrices_.size()});
  MatrixWeights matrix;
  matrix.name = layout.spec->name;
  matrix.format = layout.tensor->format;
  matrix.rows = layout.spec->rows;
  matrix.width = layout.spec->width;
  matrix.row_bytes = layout.row_bytes;
  matrix.part_rows = layout.part_rows;
  matrix.panel_rows = layout.panel_rows;
  matrix.panels_per_part = layout.panels_per_part;
  bytes_per_pass_ += layout.bytes_used();
  width_max_ = std::max(width_max_, matrix.width);
  matrices_.push_back(std::move(matrix));
  tensors_.push_back(layout.tensor);
}

void WeightStore::place_rows(const model::GgufModel& file, const std::string& name) {
  const model::TensorInfo* tensor = file.find(name);
  CHECK(tensor != nullptr);  // check_weights() came before
  row_tables_.push_back({name, tensor});
}

void WeightStore::place_panels(const WeightLayout& layout, std::vector<StreamedPanel>& streamed) {
  std::byte* next = memory_.data();
  for (size_t i = 0; i < matrices_.size(); ++i) {
    const MatrixLayout& planned = layout.matrices[i];
    MatrixWeights& matrix = matrices_[i];
    if (planned.is_experts() && !layout.pins_experts()) continue;
    for (size_t index = 0; index < planned.panels(); ++index) {
      Panel panel{nullptr, planned.first_row_of(index), planned.rows_of(index)};
      const uint64_t bytes = panel.row_count * matrix.row_bytes;
      if (planned.pinned[index]) {
        panel.rows = next;
        next += base::align_up<uint64_t>(bytes, kPanelAlignment);
      } else {
        panel.streamed = static_cast<uint32_t>(streamed.size());
        streamed.push_back({tensors_[i]->shard,
                            tensors_[i]->offset + panel.first_row * matrix.row_bytes, bytes,
                            panel.row_count, matrix.format, planned.output_only, matrix.name});
      }
      matrix.panels.push_back(panel);
    }
  }
}

Status WeightStore::read_pinned(const Options& options) {
  struct Task {
    const MatrixWeights* matrix;
    const model::TensorInfo* tensor;
    const Panel* panel;
  };
  std::vector<Task> tasks;
  for (size_t i = 0; i < matrices_.size(); ++i) {
    for (const Panel& panel : matrices_[i].panels) {
      if (panel.rows != nullptr) tasks.push_back({&matrices_[i], tensors_[i], &panel});
    }
  }
  std::mutex failure_lock;
  std::optional<Error> failure;
  std::atomic<bool> failed{false};
  const auto stopped = [&] { return options.stop != nullptr && options.stop->load(); };
  options.pool.run(tasks.size(), [&](size_t index, size_t) {
    if (failed.load(std::memory_order_relaxed) || stopped()) return;
    const Task& task = tasks[index];
    // The memory is this store's own; only readers of finished panels see it as constant.
    auto* const into = const_cast<std::byte*>(task.panel->rows);
    Status status =
        read_weights(sources_[task.tensor->shard],
                     task.tensor->offset + task.panel->first_row * task.matrix->row_bytes,
                     {into, task.panel->row_count * task.matrix->row_bytes});
    if (status.ok()) status = check_rows(*task.matrix, *task.panel);
    if (status.ok()) return;
    const std::lock_guard lock(failure_lock);
    if (!failure) failure = std::move(status).error().within(task.matrix->name);
    failed.store(true, std::memory_order_relaxed);
  });
  if (failure) return *std::move(failure);
  if (stopped()) return Error{ErrorCode::kInterrupted, {}, {}};
  return {};
}

Status WeightStore::start_ring(std::vector<StreamedPanel> streamed, const Options& options) {
  CHECK(options.files != nullptr);
  auto sources = TRY(open_streamed(sources_));
  ring_ = TRY(PanelRing::create({.account = options.account,
                                 .files = *options.files,
                                 .sources = std::move(sources),
                                 .panels = std::move(streamed),
                                 .ring_bytes = options.streaming.ring_bytes,
                                 .depth_max = options.streaming.depth_max,
                                 .backend = options.streaming.backend,
                                 .read_ahead = options.streaming.read_ahead,
                                 .clock = options.streaming.clock}));
  return {};
}

Status WeightStore::start_experts(const WeightLayout& layout, const Options& options) {
  CHECK(options.files != nullptr);
  std::vector<std::vector<ExpertPiece>> units;
  int32_t layer = model::WeightSpec::kNoLayer;
  uint32_t layers = 0;
  uint32_t experts = 0;
  for (size_t i = 0; i < matrices_.size(); ++i) {
    if (!layout.matrices[i].is_experts()) continue;
    MatrixWeights& matrix = matrices_[i];
    const model::WeightSpec& spec = *layout.matrices[i].spec;
    if (spec.layer != layer) {
      layer = spec.layer;
      experts = spec.parts;
      ++layers;
      units.resize(units.size() + experts);
    }
    matrix.expert_layer = layers - 1;
    const size_t first = units.size() - experts;
    matrix.expert_piece = static_cast<uint32_t>(units[first].size());
    const size_t bytes = matrix.part_rows * matrix.row_bytes;
    for (uint32_t expert = 0; expert < experts; ++expert) {
      units[first + expert].push_back(
          {tensors_[i]->shard,
           {tensors_[i]->offset + expert * bytes, bytes, matrix.part_rows, matrix.format},
           matrix.name});
    }
  }
  auto sources = TRY(open_streamed(sources_));
  experts_ = TRY(ExpertCache::create({.account = options.account,
                                      .pool = options.pool,
                                      .files = *options.files,
                                      .sources = std::move(sources),
                                      .units = std::move(units),
                                      .experts = experts,
                                      .bytes = options.streaming.expert_bytes,
                                      .depth_max = options.streaming.depth_max,
                                      .backend = options.streaming.backend,
                                      .eviction = options.streaming.eviction}));
  return {};
}

Status WeightStore::read_vector(const model::GgufModel& file, const model::WeightSpec& spec) {
  const model::TensorInfo& tensor = *file.find(spec.name);
  std::vector<std::byte> bytes(tensor.bytes);
  TRY(read_weights(sources_[tensor.shard], tensor.offset, bytes));
  std::vector<float> values(spec.rows * spec.width);
  const size_t row_bytes = tensor.format->row_bytes(spec.width);
  for (uint64_t row = 0; row < spec.rows; ++row) {
    tensor.format->decode_row(bytes.data() + row * row_bytes, spec.width,
                              values.data() + row * spec.width);
  }
  if (!quant::all_finite(values.data(), values.size())) {
    return Error{ErrorCode::kDamaged,
                 fmt::format("tensor '{}' holds values that are not finite", spec.name),
                 "the file is damaged; fetch it again"};
  }
  group(spec.layer).vectors.push_back({suffix_of(spec), vectors_.size()});
  vectors_.push_back(std::move(values));
  return {};
}

uint64_t WeightStore::bytes_read() const {
  return (ring_ == nullptr ? 0 : ring_->statistics().bytes_read) +
         (experts_ == nullptr ? 0 : experts_->statistics().bytes_read);
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

uint64_t WeightStore::table_width(std::string_view name) const {
  for (const RowTable& table : row_tables_) {
    if (table.name == name) return table.tensor->width();
  }
  return matrix(model::WeightSpec::kNoLayer, name).width;
}

Status WeightStore::embedding_row(std::string_view name, uint64_t row, std::span<float> out) const {
  for (const RowTable& table : row_tables_) {
    if (table.name != name) continue;
    const quant::Format& format = *table.tensor->format;
    const size_t row_bytes = format.row_bytes(out.size());
    std::vector<std::byte> bytes(row_bytes);
    const WeightSource& source = sources_[table.tensor->shard];
    TRY(read_weights(source, table.tensor->offset + row * row_bytes, bytes));
    // After the reading, so that a change during it counts.
    TRY(source.check_unchanged());
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
