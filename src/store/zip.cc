#include "store/zip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "base/text.h"

namespace freehold::store {

namespace {

using base::load_le;

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kDirectorySignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kEnd64Signature = 0x06064b50;
constexpr uint32_t kLocator64Signature = 0x07064b50;
constexpr uint64_t kLocalBytes = 30;
constexpr uint64_t kEntryBytes = 46;
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kEnd64Bytes = 56;
constexpr uint64_t kLocator64Bytes = 20;
constexpr uint64_t kCommentBytesMax = 65'535;
constexpr uint16_t kExtra64 = 0x0001;
constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;
constexpr size_t kBufferBytes = 256u << 10;

/// Where the directory is, from the archive's end.
struct Directory {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t members = 0;
  uint64_t end_offset = 0;  ///< of the end record(s) behind it
};

Error damaged(const io::ReadableFile& file, const std::string& what) {
  return Error{ErrorCode::kDamaged, fmt::format("{} is a damaged archive: {}", file.path(), what),
               "fetch it again"};
}

Error refused(const io::ReadableFile& file, const std::string& what) {
  return Error{ErrorCode::kRefused, fmt::format("{}: {}", file.path(), what), {}};
}

std::span<std::byte> writable(std::string& text) {
  return std::as_writable_bytes(std::span(text.data(), text.size()));
}

/// A name for messages: control characters could drive a terminal.
std::string printable(std::string_view name) {
  std::string text;
  for (const char byte : name.substr(0, 100)) {
    text += static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F ? '?' : byte;
  }
  return text;
}

/// The end record: the last place whose comment reaches exactly to the end of the file.
Result<uint64_t> find_end(io::ReadableFile& file) {
  const uint64_t size = file.size();
  if (size < kEndBytes) return damaged(file, "too short");
  std::string tail(static_cast<size_t>(std::min(size, kEndBytes + kCommentBytesMax)), '\0');
  const uint64_t tail_offset = size - tail.size();
  TRY(file.read_exactly(tail_offset, writable(tail)));
  for (size_t at = tail.size() - kEndBytes + 1; at-- > 0;) {
    if (load_le<uint32_t>(tail.data() + at) != kEndSignature) continue;
    const uint64_t comment = load_le<uint16_t>(tail.data() + at + 20);
    if (at + kEndBytes + comment == tail.size()) return tail_offset + at;
  }
  return damaged(file, "no end record");
}

/// The ZIP64 end record, where a locator stands before the end record.
Result<std::optional<Directory>> find_end64(io::ReadableFile& file, uint64_t end_offset) {
  if (end_offset < kLocator64Bytes) return std::optional<Directory>();
  std::string locator(kLocator64Bytes, '\0');
  TRY(file.read_exactly(end_offset - kLocator64Bytes, writable(locator)));
  if (load_le<uint32_t>(locator.data()) != kLocator64Signature) return std::optional<Directory>();
  const auto offset = load_le<uint64_t>(locator.data() + 8);
  if (end_offset - kLocator64Bytes < kEnd64Bytes ||
      offset > end_offset - kLocator64Bytes - kEnd64Bytes) {
    return damaged(file, "the ZIP64 locator points outside");
  }
  std::string record(kEnd64Bytes, '\0');
  TRY(file.read_exactly(offset, writable(record)));
  if (load_le<uint32_t>(record.data()) != kEnd64Signature) {
    return damaged(file, "no ZIP64 end record");
  }
  if (load_le<uint32_t>(record.data() + 16) != 0 || load_le<uint32_t>(record.data() + 20) != 0) {
    return refused(file, "an archive of several disks is not read");
  }
  Directory found;
  found.members = load_le<uint64_t>(record.data() + 32);
  found.bytes = load_le<uint64_t>(record.data() + 40);
  found.offset = load_le<uint64_t>(record.data() + 48);
  found.end_offset = offset;
  return std::optional<Directory>(found);
}

Result<Directory> find_directory(io::ReadableFile& file) {
  const uint64_t end_offset = TRY(find_end(file));
  std::string end(kEndBytes, '\0');
  TRY(file.read_exactly(end_offset, writable(end)));
  if (load_le<uint16_t>(end.data() + 4) != 0 || load_le<uint16_t>(end.data() + 6) != 0) {
    return refused(file, "an archive of several disks is not read");
  }
  const std::optional<Directory> end64 = TRY(find_end64(file, end_offset));
  if (end64) return *end64;
  Directory found;
  found.members = load_le<uint16_t>(end.data() + 10);
  found.bytes = load_le<uint32_t>(end.data() + 12);
  found.offset = load_le<uint32_t>(end.data() + 16);
  found.end_offset = end_offset;
  return found;
}

Status check_directory(const io::ReadableFile& file, const Directory& directory,
                       const ZipLimits& limits) {
  const std::optional<uint64_t> end = base::checked_add(directory.offset, directory.bytes);
  if (!end || *end > directory.end_offset) return damaged(file, "the directory ends outside");
  if (directory.bytes > limits.directory_bytes_max) {
    return refused(file, fmt::format("an archive directory of {}, at most {} are read",
                                     base::human_bytes(directory.bytes),
                                     base::human_bytes(limits.directory_bytes_max)));
  }
  if (directory.members > limits.members_max) {
    return refused(file, fmt::format("an archive of {} members, at most {} are read",
                                     directory.members, limits.members_max));
  }
  if (directory.members > directory.bytes / kEntryBytes) {
    return damaged(file, "more members than its directory has room for");
  }
  return {};
}

/// Replaces sizes and offset that read 0xFFFFFFFF by the ZIP64 extra field's, in APPNOTE's order
/// (4.5.3): only those that need it are there.
Status widen(const io::ReadableFile& file, std::string_view extra, ZipMember& member) {
  constexpr uint64_t kWide = 0xFFFFFFFF;
  while (extra.size() >= 4) {
    const auto kind = load_le<uint16_t>(extra.data());
    const size_t length = load_le<uint16_t>(extra.data() + 2);
    if (length > extra.size() - 4) return damaged(file, "an extra field is cut short");
    std::string_view field = extra.substr(4, length);
    extra.remove_prefix(4 + length);
    if (kind != kExtra64) continue;
    for (uint64_t* value : {&member.bytes, &member.packed_bytes, &member.header_offset}) {
      if (*value != kWide) continue;
      if (field.size() < 8) return damaged(file, "a ZIP64 field is cut short");
      *value = load_le<uint64_t>(field.data());
      field.remove_prefix(8);
    }
    return {};
  }
  return {};
}

/// Takes one entry off the front of `directory`.
Result<ZipMember> take_entry(const io::ReadableFile& file, std::string_view& directory,
                             const ZipLimits& limits) {
  if (directory.size() < kEntryBytes ||
      load_le<uint32_t>(directory.data()) != kDirectorySignature) {
    return damaged(file, "a directory entry is missing");
  }
  const char* entry = directory.data();
  const size_t name_bytes = load_le<uint16_t>(entry + 28);
  const size_t extra_bytes = load_le<uint16_t>(entry + 30);
  const size_t comment_bytes = load_le<uint16_t>(entry + 32);
  if (directory.size() - kEntryBytes < name_bytes + extra_bytes + comment_bytes) {
    return damaged(file, "a directory entry is cut short");
  }
  ZipMember member;
  member.name = directory.substr(kEntryBytes, name_bytes);
  if (member.name.empty() || member.name.find('\0') != std::string::npos) {
    return damaged(file, "a member has no proper name");
  }
  if (name_bytes > limits.name_bytes_max) return refused(file, "a member's name is too long");
  member.encrypted = (load_le<uint16_t>(entry + 8) & 1u) != 0;
  member.method = load_le<uint16_t>(entry + 10);
  member.crc32 = load_le<uint32_t>(entry + 16);
  member.packed_bytes = load_le<uint32_t>(entry + 20);
  member.bytes = load_le<uint32_t>(entry + 24);
  member.header_offset = load_le<uint32_t>(entry + 42);
  TRY(widen(file, directory.substr(kEntryBytes + name_bytes, extra_bytes), member));
  directory.remove_prefix(kEntryBytes + name_bytes + extra_bytes + comment_bytes);
  return member;
}

/// No name twice, and all members fit side by side before the directory.
Status check_members(const io::ReadableFile& file, std::span<const ZipMember> members,
                     uint64_t directory_offset) {
  std::vector<std::string_view> names;
  uint64_t room = directory_offset;
  for (const ZipMember& member : members) {
    names.push_back(member.name);
    if (room < kLocalBytes || member.packed_bytes > room - kLocalBytes) {
      return damaged(file, "its members overlap");
    }
    room -= kLocalBytes + member.packed_bytes;
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) return damaged(file, printable(*twice) + " is there twice");
  return {};
}

/// Counts and sums what goes to a sink.
class CheckedSink {
 public:
  CheckedSink(const io::ReadableFile& file, const ZipMember& member, const ZipArchive::Sink& sink)
      : file_(file), member_(member), sink_(sink) {}

  Status add(std::span<const std::byte> bytes) {
    if (bytes.size() > member_.bytes - total_) {
      return damaged(file_, printable(member_.name) + " is longer than it says");
    }
    total_ += bytes.size();
    sum_ = ::crc32_z(sum_, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
    return sink_(bytes);
  }

  Status finish() const {
    if (total_ != member_.bytes) {
      return damaged(file_, printable(member_.name) + " is shorter than it says");
    }
    if (sum_ != member_.crc32) {
      return damaged(file_, printable(member_.name) + " fails its checksum");
    }
    return {};
  }

 private:
  const io::ReadableFile& file_;
  const ZipMember& member_;
  const ZipArchive::Sink& sink_;
  uint64_t total_ = 0;
  uLong sum_ = 0;
};

/// zlib's raw inflater.
class Inflater {
 public:
  Inflater() {
    // Fails only without memory; a window of 2^15 without zlib's header is what ZIP uses.
    ready_ = ::inflateInit2(&stream_, -MAX_WBITS) == Z_OK;
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() {
    if (ready_) ::inflateEnd(&stream_);
  }
  bool ready() const { return ready_; }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

}  // namespace

Result<ZipArchive> ZipArchive::open(io::ReadableFile& file, const ZipLimits& limits) {
  const Directory directory = TRY(find_directory(file));
  TRY(check_directory(file, directory, limits));
  std::string text(static_cast<size_t>(directory.bytes), '\0');
  TRY(file.read_exactly(directory.offset, writable(text)));
  ZipArchive archive;
  archive.file_ = &file;
  archive.directory_offset_ = directory.offset;
  archive.members_.reserve(static_cast<size_t>(directory.members));
  std::string_view left = text;
  for (uint64_t i = 0; i < directory.members; ++i) {
    archive.members_.push_back(TRY(take_entry(file, left, limits)));
  }
  TRY(check_members(file, archive.members_, directory.offset));
  return archive;
}

Result<const ZipMember*> ZipArchive::find_one(std::string_view pattern) const {
  const ZipMember* found = nullptr;
  for (const ZipMember& member : members_) {
    if (!matches_pattern(member.name, pattern)) continue;
    if (found != nullptr) {
      return damaged(*file_, fmt::format("more than one member is a {}", pattern));
    }
    found = &member;
  }
  if (found == nullptr) return damaged(*file_, fmt::format("no member is a {}", pattern));
  return found;
}

Result<uint64_t> ZipArchive::data_offset(const ZipMember& member) const {
  if (member.encrypted) return refused(*file_, printable(member.name) + " is encrypted");
  if (member.method != kStored && member.method != kDeflated) {
    return refused(*file_, fmt::format("{} is packed by method {}; 0 and 8 are read",
                                       printable(member.name), member.method));
  }
  if (directory_offset_ < kLocalBytes || member.header_offset > directory_offset_ - kLocalBytes) {
    return damaged(*file_, printable(member.name) + " starts outside");
  }
  std::string header(kLocalBytes, '\0');
  TRY(file_->read_exactly(member.header_offset, writable(header)));
  const uint64_t name_bytes = load_le<uint16_t>(header.data() + 26);
  const uint64_t extra_bytes = load_le<uint16_t>(header.data() + 28);
  const uint64_t offset = member.header_offset + kLocalBytes + name_bytes + extra_bytes;
  if (load_le<uint32_t>(header.data()) != kLocalSignature || name_bytes != member.name.size() ||
      load_le<uint16_t>(header.data() + 8) != member.method) {
    return damaged(*file_, printable(member.name) + " differs from its directory entry");
  }
  std::string name(static_cast<size_t>(name_bytes), '\0');
  TRY(file_->read_exactly(member.header_offset + kLocalBytes, writable(name)));
  if (name != member.name) {
    return damaged(*file_, printable(member.name) + " has another name where it lies");
  }
  if (offset > directory_offset_ || member.packed_bytes > directory_offset_ - offset) {
    return damaged(*file_, printable(member.name) + " ends outside");
  }
  return offset;
}

Status ZipArchive::read(const ZipMember& member, const Sink& sink) const {
  const uint64_t offset = TRY(data_offset(member));
  if (member.method == kStored) return read_stored(member, offset, sink);
  return read_deflated(member, offset, sink);
}

Status ZipArchive::read_stored(const ZipMember& member, uint64_t offset, const Sink& sink) const {
  CheckedSink checked(*file_, member, sink);
  std::vector<std::byte> buffer(kBufferBytes);
  for (uint64_t left = member.packed_bytes; left > 0;) {
    const auto piece =
        std::span(buffer).first(static_cast<size_t>(std::min<uint64_t>(left, buffer.size())));
    TRY(file_->read_exactly(offset, piece));
    TRY(checked.add(piece));
    offset += piece.size();
    left -= piece.size();
  }
  return checked.finish();
}

Status ZipArchive::read_deflated(const ZipMember& member, uint64_t offset, const Sink& sink) const {
  CheckedSink checked(*file_, member, sink);
  Inflater inflater;
  if (!inflater.ready()) {
    return Error{ErrorCode::kFailed, "no memory to unpack " + file_->path(), {}};
  }
  z_stream& stream = inflater.stream();
  std::vector<std::byte> packed(kBufferBytes);
  std::vector<std::byte> unpacked(kBufferBytes);
  uint64_t left = member.packed_bytes;
  while (true) {
    if (stream.avail_in == 0 && left > 0) {
      const auto piece =
          std::span(packed).first(static_cast<size_t>(std::min<uint64_t>(left, packed.size())));
      TRY(file_->read_exactly(offset, piece));
      offset += piece.size();
      left -= piece.size();
      stream.next_in = reinterpret_cast<Bytef*>(piece.data());
      stream.avail_in = static_cast<uInt>(piece.size());
    }
    stream.next_out = reinterpret_cast<Bytef*>(unpacked.data());
    stream.avail_out = static_cast<uInt>(unpacked.size());
    const int answer = ::inflate(&stream, Z_NO_FLUSH);
    const size_t made = unpacked.size() - stream.avail_out;
    TRY(checked.add(std::span(unpacked).first(made)));
    if (answer == Z_STREAM_END) break;
    // Z_BUF_ERROR: nothing moved, so the packed bytes ended before their end mark.
    if (answer != Z_OK) return damaged(*file_, printable(member.name) + " cannot be unpacked");
  }
  if (left > 0 || stream.avail_in > 0) {
    return damaged(*file_, printable(member.name) + " has bytes behind its end");
  }
  return checked.finish();
}

bool matches_pattern(std::string_view name, std::string_view pattern) {
  // Greedy with one step back: the last `*` takes one character more whenever the rest fails.
  size_t at = 0;
  size_t in_pattern = 0;
  std::optional<size_t> star;
  size_t star_at = 0;
  while (at < name.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
      star = in_pattern++;
      star_at = at;
    } else if (in_pattern < pattern.size() && pattern[in_pattern] == name[at]) {
      ++in_pattern;
      ++at;
    } else if (star) {
      in_pattern = *star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  while (in_pattern < pattern.size() && pattern[in_pattern] == '*') ++in_pattern;
  return in_pattern == pattern.size();
}

}  // namespace freehold::store
