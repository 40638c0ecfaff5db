#pragma once
// What everything that reads weights around the page cache shares: files with their identity and
// checksums, the aligned piece of a file that holds some rows, and the proof that what arrived is
// what should be there.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file.h"
#include "io/panel_checksums.h"
#include "model/gguf/gguf.h"
#include "quant/format.h"

namespace freehold::runtime {

/// How often what failed or arrived wrong is read in all: a disk's passing error costs a moment,
/// not an answer.
inline constexpr uint32_t kReadAttemptsMax = 3;

/// One of a model's files, its copies on other drives, and what it should hold, where the store
/// knows. Copies are read only where it does: nobody else could tell which of two is right.
struct WeightSource {
  io::ReadableFile* file = nullptr;
  std::vector<std::unique_ptr<io::ReadableFile>> mirrors;
  std::optional<io::PanelChecksums> checksums;

  const io::PanelChecksums* table() const { return checksums ? &*checksums : nullptr; }
  size_t copies() const { return 1 + mirrors.size(); }
  io::ReadableFile& copy(size_t index) const { return index == 0 ? *file : *mirrors[index - 1]; }
  /// kDamaged where it is not what it was. Of mirrored files every byte is checked instead.
  Status check_unchanged() const;
};
/// The shards of `file`; without `files` nothing is known of them. `mirrors` are folders that hold
/// a copy of every shard under its own name. Errors: kDamaged where a table of checksums is,
/// kNotFound for a copy that is not there, kRefused for one of another size and for mirrors of a
/// file without checksums.
Result<std::vector<WeightSource>> open_sources(const model::GgufModel& file, io::FileSystem* files,
                                               std::span<const std::string> mirrors);

/// Fills `into` with checked bytes of one copy through the page cache. Any thread.
Status read_copy(const WeightSource& source, size_t copy, uint64_t offset,
                 std::span<std::byte> into);
/// Fills `into` with checked bytes through the page cache, from each copy in turn where one fails.
/// Any thread.
Status read_weights(const WeightSource& source, uint64_t offset, std::span<std::byte> into);

/// One file that panels come from.
struct StreamedFile {
  struct Copy {
    std::unique_ptr<io::DirectFile> file;
    io::FileIdentity identity;  // as it was when its header was read
  };
  std::vector<Copy> copies;                       // the model's own first; at least that
  const io::PanelChecksums* checksums = nullptr;  // what it should hold; outlives this

  uint64_t size() const { return copies[0].identity.size; }
};

/// `sources` opened for direct reads; they outlive the result.
Result<std::vector<StreamedFile>> open_streamed(std::span<const WeightSource> sources);

/// kDamaged where copy `copy` of a file is not what it was when it was opened.
Status check_identities(std::span<const StreamedFile> sources, size_t copy = 0);

/// Some whole rows in a file.
struct RowRange {
  uint64_t offset = 0;
  size_t bytes = 0;
  uint64_t rows = 0;
  const quant::Format* format = nullptr;
};

/// The aligned piece of the file that holds them.
struct FilePiece {
  uint64_t offset = 0;
  size_t bytes = 0;
  size_t needed = 0;  // of it, before the end of the file
};
FilePiece piece_of(const StreamedFile& source, const RowRange& range);
/// At most this many bytes has a piece for rows of `bytes`, whatever their place.
uint64_t piece_bytes_max(uint64_t bytes);

/// Whether `memory`, a piece that has been read, holds what it should, as far as one reading tells:
/// checksums where the store has them (else `sum` becomes the rows' CRC32C) and blocks that the
/// format allows. kDamaged, naming the copy, otherwise. Any thread.
Status check_piece(const StreamedFile& source, size_t copy, const FilePiece& piece,
                   const RowRange& range, const std::byte* memory, uint32_t& sum);
/// The error for rows without checksums that are not what they were.
Error reads_differently(const StreamedFile& source, const RowRange& range);

}  // namespace freehold::runtime
