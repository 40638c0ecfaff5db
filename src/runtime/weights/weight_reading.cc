#include "runtime/weights/weight_reading.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "runtime/weights/weight_layout.h"

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

/// `file`'s copy in `folder`, checked as far as its size goes.
Result<std::unique_ptr<io::ReadableFile>> open_copy(const io::ReadableFile& file,
                                                    io::FileSystem& files,
                                                    const std::string& folder) {
  const std::string& path = file.path();
  const size_t slash = path.find_last_of('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  auto copy = TRY(files.open(fmt::format("{}/{}", folder, name)));
  if (copy->size() == file.size()) return copy;
  return Error{
      ErrorCode::kRefused,
      fmt::format("{} has {} bytes and {} has {}", copy->path(), copy->size(), path, file.size()),
      "a mirror holds the same file under the same name; copy it again"};
}

}  // namespace

Status WeightSource::check_unchanged() const {
  return mirrors.empty() ? file->check_unchanged() : Status{};
}

Result<std::vector<WeightSource>> open_sources(const model::GgufModel& file, io::FileSystem* files,
                                               std::span<const std::string> mirrors) {
  std::vector<WeightSource> sources;
  for (const auto& shard : file.shards()) {
    WeightSource source;
    source.file = shard.get();
    if (files != nullptr) {
      source.checksums = TRY(recorded_checksums(*files, shard->path(), shard->size()));
    }
    if (!mirrors.empty() && !source.checksums) {
      return Error{ErrorCode::kRefused,
                   fmt::format("{} has no checksums, so nobody could tell which of its copies is "
                               "right",
                               shard->path()),
                   "import it (freehold import FILE NAME) and mirror what is in the store"};
    }
    for (const std::string& folder : mirrors) {
      source.mirrors.push_back(TRY(open_copy(*shard, *files, folder)));
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

Status read_copy(const WeightSource& source, size_t copy, uint64_t offset,
                 std::span<std::byte> into) {
  Status status;
  for (uint32_t attempt = 0; attempt < kReadAttemptsMax; ++attempt) {
    status = io::read_checked(source.copy(copy), source.table(), offset, into);
    if (status.ok()) break;
  }
  return status;
}

Status read_weights(const WeightSource& source, uint64_t offset, std::span<std::byte> into) {
  // Neighbours come from different drives.
  const uint64_t first = offset / kPanelBytesMax;
  Status status;
  for (uint64_t attempt = 0; attempt < kReadAttemptsMax * source.copies(); ++attempt) {
    io::ReadableFile& copy = source.copy(static_cast<size_t>((first + attempt) % source.copies()));
    status = io::read_checked(copy, source.table(), offset, into);
    if (status.ok()) break;
  }
  return status;
}

Result<std::vector<StreamedFile>> open_streamed(std::span<const WeightSource> sources) {
  std::vector<StreamedFile> streamed;
  for (const WeightSource& source : sources) {
    StreamedFile file;
    file.checksums = source.table();
    for (size_t i = 0; i < source.copies(); ++i) {
      auto direct = TRY(source.copy(i).open_direct());
      file.copies.push_back({std::move(direct), source.copy(i).opened_as()});
    }
    streamed.push_back(std::move(file));
  }
  return streamed;
}

Status check_identities(std::span<const StreamedFile> sources, size_t copy) {
  for (const StreamedFile& source : sources) {
    const StreamedFile::Copy& asked = source.copies[copy];
    if (TRY(asked.file->identity()) == asked.identity) continue;
    return Error{ErrorCode::kDamaged,
                 fmt::format("{} changed while it was in use", asked.file->path()),
                 "start again once nothing writes to it"};
  }
  return {};
}

FilePiece piece_of(const StreamedFile& source, const RowRange& range) {
  uint64_t step = 0;
  for (const StreamedFile::Copy& copy : source.copies) {
    step = std::max<uint64_t>(step, copy.file->alignment());
  }
  if (source.checksums != nullptr) step = std::max<uint64_t>(step, io::kChecksumUnitBytes);
  const uint64_t begin = range.offset / step * step;
  const uint64_t end = base::align_up(range.offset + range.bytes, step);
  return {begin, static_cast<size_t>(end - begin),
          static_cast<size_t>(std::min(end, source.size()) - begin)};
}

uint64_t piece_bytes_max(uint64_t bytes) {
  return base::align_up<uint64_t>(bytes, io::kChecksumUnitBytes) + io::kChecksumUnitBytes;
}

Status check_piece(const StreamedFile& source, size_t copy, const FilePiece& piece,
                   const RowRange& range, const std::byte* memory, uint32_t& sum) {
  const std::span<const std::byte> bytes(memory, piece.needed);
  if (source.checksums != nullptr) {
    TRY(io::check_units(*source.checksums, piece.offset, bytes, source.copies[copy].file->path()));
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
                           source.copies[0].file->path(), range.bytes, range.offset),
               "the disk, its cable or memory may be failing; check them, then the file"};
}

}  // namespace freehold::runtime
