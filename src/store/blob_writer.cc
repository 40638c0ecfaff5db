#include "store/blob_writer.h"

#include <algorithm>

#include "base/crc32c.h"
#include "base/json.h"
#include "store/store_files.h"

namespace freehold::store {

namespace {

constexpr uint64_t kJournalBytesMax = 1u << 20;
constexpr size_t kBufferBytes = 1u << 20;

}  // namespace

std::string journal_path(const std::string& path) { return path + ".journal"; }

Result<BlobWriter> BlobWriter::begin(io::FileSystem& files, const std::string& path) {
  // The journal goes first: it must never speak of bytes that are gone.
  TRY(remove_tree(files, journal_path(path)));
  BlobWriter writer(files, path);
  writer.file_ = TRY(files.create(path, io::WriteMode::kTruncate));
  return writer;
}

Result<BlobWriter> BlobWriter::resume(io::FileSystem& files, const std::string& path,
                                      std::span<const uint64_t> part_ends,
                                      const std::function<bool()>& keep_going) {
  const Result<io::FileIdentity> there = files.stat(path);
  if (!there.ok()) return begin(files, path);
  std::vector<Part> parts = read_journal(files, path);
  size_t kept = 0;
  while (kept < parts.size() && kept < part_ends.size() && parts[kept].end == part_ends[kept] &&
         parts[kept].end <= there->size) {
    ++kept;
  }
  parts.resize(kept);
  if (parts.empty()) return begin(files, path);
  BlobWriter writer(files, path);
  // What lies behind the last whole part is of a part that was cut off.
  if (there->size > parts.back().end) TRY(files.truncate(path, parts.back().end));
  if (!TRY(writer.take_over(parts, keep_going))) return begin(files, path);
  writer.file_ = TRY(files.create(path, io::WriteMode::kAppend));
  return writer;
}

std::vector<BlobWriter::Part> BlobWriter::read_journal(io::FileSystem& files,
                                                       const std::string& path) {
  std::vector<Part> parts;
  const Result<std::string> text = io::read_small_file(files, journal_path(path), kJournalBytesMax);
  if (!text.ok()) return parts;
  const Result<base::JsonValue> root = base::JsonValue::parse(*text);
  // A journal that cannot be read is none: the work begins anew.
  if (!root.ok() || root->find_unsigned("version").value_or(0) != 1) return parts;
  for (const base::JsonValue& value : root->find_elements("parts")) {
    const auto end = value.find_unsigned("end");
    const auto crc32c = value.find_unsigned("crc32c");
    if (!end || !crc32c || *crc32c > 0xFFFFFFFFu) return parts;
    parts.push_back({*end, static_cast<uint32_t>(*crc32c)});
  }
  return parts;
}

/// Hashes the kept parts; false where their bytes are not what the journal says.
Result<bool> BlobWriter::take_over(const std::vector<Part>& parts,
                                   const std::function<bool()>& keep_going) {
  const std::unique_ptr<io::ReadableFile> file = TRY(files_->open(path_));
  std::vector<std::byte> buffer(kBufferBytes);
  uint64_t at = 0;
  for (const Part& part : parts) {
    while (at < part.end) {
      if (!keep_going()) {
        return interrupted("stopped while checking what was fetched before", "run it again");
      }
      const auto piece = std::span(buffer).first(
          static_cast<size_t>(std::min<uint64_t>(part.end - at, kBufferBytes)));
      TRY(file->read_exactly(at, piece));
      count(piece);
      at += piece.size();
    }
    if (part_crc32c_ != part.crc32c) return false;
    part_crc32c_ = 0;
    parts_.push_back(part);
  }
  return true;
}

void BlobWriter::count(std::span<const std::byte> bytes) {
  sha256_.add(bytes);
  panels_.add(bytes);
  part_crc32c_ = base::crc32c(bytes, part_crc32c_);
}

Status BlobWriter::add(std::span<const std::byte> bytes) {
  TRY(file_->append(bytes));
  count(bytes);
  return {};
}

Status BlobWriter::end_part() {
  TRY(file_->sync());
  parts_.push_back({file_->size(), part_crc32c_});
  part_crc32c_ = 0;
  return write_journal();
}

Status BlobWriter::write_journal() {
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().field("version", 1).key("parts").begin_array();
  for (const Part& part : parts_) {
    json.begin_object().field("end", part.end).field("crc32c", part.crc32c).end_object();
  }
  json.end_array().end_object();
  return write_durably(*files_, journal_path(path_) + ".new", journal_path(path_), text);
}

Result<BlobHashes> BlobWriter::finish() && {
  TRY(file_->sync());
  TRY(file_->close());
  return BlobHashes{std::move(sha256_).finish(), std::move(panels_).finish()};
}

}  // namespace freehold::store
