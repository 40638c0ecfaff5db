#include "runtime/weights/weight_reading.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace freehold::runtime {

namespace {

/// What the store recorded of the file when it came in; nothing for files that it does not know.
Result<std::optional<io::PanelChecksums>> recorded_checksums(io::FileSystem& files,
                                                             const std::string& path,
                                                             uint64_t bytes) {
  Result<io::PanelChecksums> read = io::read_panel_checksums(files, path);
  for (uint32_t again = 1; again < kReadAttemptsMax && !read.ok(); ++again) {
    if (read.error().code != ErrorCode::kFailed) break;
    read = io::read_panel_checksums(files, path);
  }
  if (!read.ok()) {
    const ErrorCode code = read.error().code;
    // A table of another version says nothing; `verify` tells the user about it.
    const bool absent = code == ErrorCode::kNotFound || code == ErrorCode::kRefused;
    if (absent) return std::optional<io::PanelChecksums>();
    return std::move(read).error();
  }
  if (read->file_bytes != bytes) {
    return Error{
        ErrorCode::kDamaged,
        fmt::format("{} has {} bytes and its checksums are of {}", path, bytes, read->file_bytes),
        "remove the model and pull or import it again"};
  }
  return std::optional(*std::move(read));
}

}  // namespace

Result<std::vector<WeightSource>> open_sources(const model::GgufModel& file,
                                               io::FileSystem* files) {
  std::vector<WeightSource> sources;
  for (const auto& shard : file.shards()) {
    WeightSource source{shard.get(), std::nullopt};
    if (files != nullptr) {
      source.checksums = TRY(recorded_checksums(*files, shard->path(), shard->size()));
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

Status read_weights(const WeightSource& source, uint64_t offset, std::span<std::byte> into) {
  Status status;
  for (uint32_t attempt = 0; attempt < kReadAttemptsMax; ++attempt) {
    status = io::read_checked(*source.file, source.table(), offset, into);
    if (status.ok()) break;
  }
  return status;
}

Result<std::vector<StreamedFile>> open_streamed(std::span<const WeightSource> sources) {
  std::vector<StreamedFile> streamed;
  for (const WeightSource& source : sources) {
    auto direct = TRY(source.file->open_direct());
    streamed.push_back({std::move(direct), source.file->opened_as(), source.table()});
  }
  return streamed;
}

Status check_identities(std::span<const StreamedFile> sources) {
  for (const StreamedFile& source : sources) {
    if (TRY(source.file->identity()) == source.identity) continue;
    return Error{ErrorCode::kDamaged,
                 fmt::format("{} changed while it was in use", source.file->path()),
                 "start again once nothing writes to it"};
  }
  return {};
}

FilePiece piece_of(const StreamedFile& source, const RowRange& range) {
  uint64_t step = source.file->alignment();
  if (source.checksums != nullptr) step = std::max<uint64_t>(step, io::kChecksumUnitBytes);
  const uint64_t begin = range.offset / step * step;
  const uint64_t end = base::align_up(range.offset + range.bytes, step);
  return {begin, static_cast<size_t>(end - begin),
          static_cast<size_t>(std::min(end, source.identity.size) - begin)};
}

uint64_t piece_bytes_max(uint64_t bytes) {
  return base::align_up<uint64_t>(bytes, io::kChecksumUnitBytes) + io::kChecksumUnitBytes;
}

Status check_piece(const StreamedFile& source, const FilePiece& piece, const RowRange& range,
                   const std::byte* memory, uint32_t& sum) {
  const std::span<const std::byte> bytes(memory, piece.needed);
  if (source.checksums != nullptr) {
    TRY(io::check_units(*source.checksums, piece.offset, bytes, source.file->path()));
  }
  const auto rows = bytes.subspan(range.offset - piece.offset, range.bytes);
  if (source.checksums == nullptr) sum = base::crc32c(rows);
  const quant::Format& format = *range.format;
  if (format.rows_valid == nullptr ||
      format.rows_valid(rows.data(), range.bytes / range.rows, range.rows)) {
    return {};
  }
  return Error{ErrorCode::kDamaged,
               fmt::format("the tensor holds a block that {} forbids", format.name),
               "the file is damaged; fetch it again"};
}

Error reads_differently(const StreamedFile& source, const RowRange& range) {
  return Error{ErrorCode::kDamaged,
               fmt::format("{} reads differently than before in the {} bytes from byte {}",
                           source.file->path(), range.bytes, range.offset),
               "the disk, its cable or memory may be failing; check them, then the file"};
}

}  // namespace freehold::runtime
