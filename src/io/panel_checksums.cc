#include "io/panel_checksums.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace freehold::io {

namespace {

constexpr std::string_view kMagic = "FHCRC32C";
constexpr uint32_t kVersion = 2;
constexpr size_t kHeaderBytes = 24;
constexpr size_t kTrailerBytes = 4;
// 256 MiB of table cover 1 TiB of model.
constexpr uint64_t kTableBytesMax = 256u << 20;

template <class Number>
void append_le(std::string& text, Number number) {
  char bytes[sizeof(Number)];
  base::store_le(bytes, number);
  text.append(bytes, sizeof(Number));
}

uint32_t checksum_of(std::string_view text) {
  return base::crc32c(std::as_bytes(std::span(text.data(), text.size())));
}

Error damaged(const std::string& what) {
  return Error{ErrorCode::kDamaged, "the checksum table " + what,
               "remove the model and pull or import it again"};
}

}  // namespace

uint64_t PanelChecksums::unit_bytes(size_t index) const {
  const uint64_t start = static_cast<uint64_t>(index) * kChecksumUnitBytes;
  return start >= file_bytes ? 0 : std::min<uint64_t>(kChecksumUnitBytes, file_bytes - start);
}

std::string PanelChecksums::encode() const {
  std::string text(kMagic);
  append_le(text, kVersion);
  append_le(text, kChecksumUnitBytes);
  append_le(text, file_bytes);
  for (const uint32_t unit : units) append_le(text, unit);
  append_le(text, checksum_of(text));
  return text;
}

Result<PanelChecksums> PanelChecksums::parse(std::string_view text) {
  if (text.size() < kHeaderBytes + kTrailerBytes || !text.starts_with(kMagic)) {
    return damaged("is not one");
  }
  const std::string_view body = text.substr(0, text.size() - kTrailerBytes);
  if (base::load_le<uint32_t>(text.data() + body.size()) != checksum_of(body)) {
    return damaged("does not match its own checksum");
  }
  const auto version = base::load_le<uint32_t>(text.data() + 8);
  if (version != kVersion) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("the checksum table has version {}, this program knows {}", version, kVersion),
        "pull or import the model again with this program"};
  }
  PanelChecksums made;
  made.file_bytes = base::load_le<uint64_t>(text.data() + 16);
  const size_t count = (body.size() - kHeaderBytes) / 4;
  const bool whole = (body.size() - kHeaderBytes) % 4 == 0;
  const uint64_t wanted =
      made.file_bytes / kChecksumUnitBytes + (made.file_bytes % kChecksumUnitBytes != 0 ? 1 : 0);
  if (!whole || count != wanted ||
      base::load_le<uint32_t>(text.data() + 12) != kChecksumUnitBytes) {
    return damaged("has the wrong length");
  }
  made.units.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    made.units.push_back(base::load_le<uint32_t>(text.data() + kHeaderBytes + 4 * i));
  }
  return made;
}

void PanelChecksumBuilder::add(std::span<const std::byte> bytes) {
  made_.file_bytes += bytes.size();
  while (!bytes.empty()) {
    const size_t count = std::min<size_t>(bytes.size(), kChecksumUnitBytes - filled_);
    current_ = base::crc32c(bytes.first(count), current_);
    filled_ += static_cast<uint32_t>(count);
    bytes = bytes.subspan(count);
    if (filled_ == kChecksumUnitBytes) {
      made_.units.push_back(current_);
      current_ = 0;
      filled_ = 0;
    }
  }
}

PanelChecksums PanelChecksumBuilder::finish() && {
  if (filled_ > 0) made_.units.push_back(current_);
  return std::move(made_);
}

std::string panel_checksums_path(const std::string& model_path) { return model_path + ".crc32c"; }

Result<PanelChecksums> read_panel_checksums(FileSystem& files, const std::string& model_path) {
  const std::string path = panel_checksums_path(model_path);
  const std::string text = TRY(read_small_file(files, path, kTableBytesMax));
  Result<PanelChecksums> parsed = PanelChecksums::parse(text);
  if (parsed.ok()) return parsed;
  const Error& error = parsed.error();
  return Error{error.code, path + ": " + error.message, error.hint};
}

Status check_units(const PanelChecksums& checksums, uint64_t offset,
                   std::span<const std::byte> bytes, const std::string& path) {
  CHECK(offset % kChecksumUnitBytes == 0);
  for (size_t index = offset / kChecksumUnitBytes; !bytes.empty(); ++index) {
    const uint64_t unit = checksums.unit_bytes(index);
    if (unit == 0 || unit > bytes.size()) return {};
    const auto whole = bytes.first(static_cast<size_t>(unit));
    if (index >= checksums.units.size() || base::crc32c(whole) != checksums.units[index]) {
      return Error{ErrorCode::kDamaged,
                   fmt::format("{} is damaged in the {} bytes from byte {}", path, unit,
                               static_cast<uint64_t>(index) * kChecksumUnitBytes),
                   "remove the model and pull or import it again"};
    }
    bytes = bytes.subspan(whole.size());
  }
  return {};
}

Status read_checked(ReadableFile& file, const PanelChecksums* checksums, uint64_t offset,
                    std::span<std::byte> into) {
  if (checksums == nullptr) return file.read_exactly(offset, into);
  while (!into.empty()) {
    const auto inside = static_cast<size_t>(offset % kChecksumUnitBytes);
    const uint64_t start = offset - inside;
    const uint64_t unit = checksums->unit_bytes(static_cast<size_t>(start / kChecksumUnitBytes));
    size_t count = 0;
    if (inside == 0 && unit > 0 && into.size() >= unit) {
      // Whole units; the file's last, shorter one by itself.
      const size_t whole = into.size() / kChecksumUnitBytes * kChecksumUnitBytes;
      count = unit < kChecksumUnitBytes ? static_cast<size_t>(unit) : whole;
      TRY(file.read_exactly(offset, into.first(count)));
      TRY(check_units(*checksums, offset, into.first(count), file.path()));
    } else {
      std::array<std::byte, kChecksumUnitBytes> aside;
      const auto whole = std::span(aside).first(static_cast<size_t>(unit));
      TRY(file.read_exactly(start, whole));
      TRY(check_units(*checksums, start, whole, file.path()));
      count = std::min<size_t>(kChecksumUnitBytes - inside, into.size());
      if (inside + count > whole.size()) {
        return Error{ErrorCode::kDamaged,
                     fmt::format("{} ends at byte {}", file.path(), start + unit),
                     "the file was cut; fetch it again"};
      }
      std::memcpy(into.data(), whole.data() + inside, count);
    }
    offset += count;
    into = into.subspan(count);
  }
  return {};
}

}  // namespace freehold::io
