#include "model/convert/quantise.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "base/text.h"
#include "model/gguf/gguf_writer.h"
#include "quant/encode.h"

namespace freehold::model {

namespace {

/// Source bytes that are in memory at once, and rows that a worker takes at a time.
constexpr size_t kSliceBytes = size_t{4} << 20;
constexpr uint64_t kTaskValues = uint64_t{16} << 10;
constexpr uint32_t kQuantizationVersion = 2;  // GGML_QNT_VERSION
constexpr std::string_view kFileTypeKey = "general.file_type";
constexpr std::string_view kVersionKey = "general.quantization_version";

bool is_lossy(const quant::Format& format) {
  return format.group != quant::ActivationGroup::kFloat;
}

Status check_source(const TensorInfo& tensor, const quant::Format& to, bool requantise) {
  if (!is_lossy(*tensor.format) || requantise) return {};
  return Error{ErrorCode::kRefused,
               fmt::format("{} is {} already; to {} it would lose bits twice",
                           base::printable(tensor.name), tensor.format->name, to.name),
               "start from an F32, F16 or BF16 file, or say --allow-requantize"};
}

Result<std::string> header_of(const GgufModel& model, const FileType& type,
                              std::span<const PlannedTensor> tensors) {
  GgufHeader header;
  for (const std::string_view key : model.metadata().keys()) {
    // Split files become one.
    if (key == kFileTypeKey || key == kVersionKey || key.starts_with("split.")) continue;
    if (key == "general.alignment") continue;
    TRY(header.copy(model.metadata(), key));
  }
  header.add_unsigned(kVersionKey, kQuantizationVersion);
  header.add_unsigned(kFileTypeKey, type.number);
  return header.build(tensors);
}

/// Rows of one tensor, from one format to another.
class RowChanger {
 public:
  RowChanger(device::WorkerPool& pool, const quant::Format& from, const quant::Format& to,
             uint64_t width)
      : pool_(pool),
        from_(from),
        to_(to),
        width_(static_cast<size_t>(width)),
        rows_per_task_(std::max<uint64_t>(1, kTaskValues / width)),
        values_(pool.size(), std::vector<float>(width_)) {}

  /// False where a value is no number.
  bool run(const std::vector<std::byte>& source, uint64_t rows, std::vector<std::byte>& made) {
    made.resize(rows * to_.row_bytes(width_));
    std::atomic<bool> finite{true};
    const uint64_t tasks = (rows + rows_per_task_ - 1) / rows_per_task_;
    pool_.run(tasks, [&](size_t task, size_t worker) {
      const uint64_t end = std::min(rows, (task + 1) * rows_per_task_);
      for (uint64_t row = task * rows_per_task_; row < end; ++row) {
        if (!change_row(source.data() + row * from_.row_bytes(width_), values_[worker],
                        made.data() + row * to_.row_bytes(width_))) {
          finite.store(false, std::memory_order_relaxed);
        }
      }
    });
    return finite.load(std::memory_order_relaxed);
  }

 private:
  bool change_row(const std::byte* source, std::vector<float>& values, std::byte* made) const {
    from_.decode_row(source, width_, values.data());
    if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) {
      return false;
    }
    quant::encoder(to_.id)(values.data(), width_, made);
    return true;
  }

  device::WorkerPool& pool_;
  const quant::Format& from_;
  const quant::Format& to_;
  size_t width_;
  uint64_t rows_per_task_;
  std::vector<std::vector<float>> values_;  // a row for each worker
};

class Rewriting {
 public:
  Rewriting(const GgufModel& model, io::WritableFile& out, device::WorkerPool& pool,
            const QuantiseOptions& options)
      : model_(model), out_(out), pool_(pool), options_(options) {}

  Status tensor(const TensorInfo& tensor, const PlannedTensor& planned) {
    RowChanger changer(pool_, *tensor.format, *planned.format, tensor.width());
    const bool same = planned.format == tensor.format;
    const uint64_t row_bytes = tensor.format->row_bytes(tensor.width());
    const uint64_t step = std::max<uint64_t>(1, kSliceBytes / row_bytes);
    for (uint64_t row = 0; row < tensor.rows(); row += step) {
      const uint64_t rows = std::min(step, tensor.rows() - row);
      source_.resize(rows * row_bytes);
      TRY(model_.shards()[tensor.shard]->read_exactly(tensor.offset + row * row_bytes, source_));
      if (!same && !changer.run(source_, rows, made_)) {
        return Error{ErrorCode::kDamaged,
                     fmt::format("{} holds a value that is no finite number, in rows {} to {}",
                                 base::printable(tensor.name), row, row + rows - 1),
                     "fetch or convert the source again"};
      }
      TRY(out_.append(same ? source_ : made_));
      done_ += source_.size();
      if (options_.on_progress) TRY(options_.on_progress(done_));
    }
    const std::byte padding[kGgufAlignment] = {};
    return out_.append(std::span(padding).first(planned.padded_bytes() - planned.bytes()));
  }

 private:
  const GgufModel& model_;
  io::WritableFile& out_;
  device::WorkerPool& pool_;
  const QuantiseOptions& options_;
  std::vector<std::byte> source_;
  std::vector<std::byte> made_;
  uint64_t done_ = 0;
};

}  // namespace

Result<QuantiseReport> quantise(const GgufModel& model, const FileType& type, io::WritableFile& out,
                                device::WorkerPool& pool, const QuantiseOptions& options) {
  const std::vector<const quant::Format*> formats = choose_formats(model, type);
  QuantiseReport report;
  std::vector<PlannedTensor> planned;
  for (size_t i = 0; i < formats.size(); ++i) {
    const TensorInfo& tensor = model.tensors()[i];
    planned.push_back({tensor.name, {tensor.dims, tensor.dims + tensor.dimensions}, formats[i]});
    ++report.tensors;
    if (formats[i] == tensor.format) continue;
    ++report.changed;
    TRY(check_source(tensor, *formats[i], options.requantise));
  }
  const std::string header = TRY(header_of(model, type, planned));
  TRY(out.append(std::as_bytes(std::span(header))));
  Rewriting rewriting(model, out, pool, options);
  for (size_t i = 0; i < planned.size(); ++i) {
    TRY(rewriting.tensor(model.tensors()[i], planned[i]));
  }
  report.bytes = out.size();
  return report;
}

}  // namespace freehold::model
