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

/// One of a model's files and what it should hold, where the store knows.
struct WeightSource {
  io::ReadableFile* file = nullptr;
  std::optional<io::PanelChecksums> checksums;
  const io::PanelChecksums* table() const { return checksums ? &*checksums : nullptr; }
};
/// The shards of `file`; without `files` nothing is known of them. kDamaged where a table of
/// checksums is.
Result<std::vector<WeightSource>> open_sources(const model::GgufModel& file, io::FileSystem* files);

/// Fills `into` with checked bytes through the page cache. Any thread.
Status read_weights(const WeightSource& source, uint64_t offset, std::span<std::byte> into);

/// One file that panels come from.
struct StreamedFile {
  std::unique_ptr<io::DirectFile> file;
  io::FileIdentity identity;                      // as it was when its header was read
  const io::PanelChecksums* checksums = nullptr;  // what it should hold; outlives this
};

/// `sources` opened for direct reads; they outlive the result.
Result<std::vector<StreamedFile>> open_streamed(std::span<const WeightSource> sources);

/// kDamaged where a file is not what it was when it was opened.
Status check_identities(std::span<const StreamedFile> sources);

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
/// format allows. kDamaged otherwise. Any thread.
Status check_piece(const StreamedFile& source, const FilePiece& piece, const RowRange& range,
                   const std::byte* memory, uint32_t& sum);
/// The error for rows without checksums that are not what they were.
Error reads_differently(const StreamedFile& source, const RowRange& range);

}  // namespace freehold::runtime
