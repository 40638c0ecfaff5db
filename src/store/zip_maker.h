#pragma once
// Makes ZIP archives in memory for tests, good ones and liars. Test support; not for the program.

#include <zlib.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"

namespace freehold::store {

class ZipMaker {
 public:
  /// What the directory says instead of the truth.
  struct Lie {
    std::optional<uint64_t> bytes;
    std::optional<uint16_t> method;
    std::optional<uint64_t> header_offset;
    std::optional<std::string> local_name;  // of the same length
    int64_t packed_delta = 0;
    uint32_t crc_flip = 0;
    uint16_t flags = 0;
  };

  /// With `zip64`, sizes and offsets go into ZIP64 fields whatever they are.
  explicit ZipMaker(bool zip64 = false) : zip64_(zip64) {}

  void add(const std::string& name, const std::string& content, bool deflated) {
    add(name, content, deflated, Lie{});
  }

  void add(const std::string& name, const std::string& content, bool deflated, const Lie& lie) {
    const std::string packed = deflated ? deflate_raw(content) : content;
    const uint16_t method = lie.method.value_or(deflated ? 8 : 0);
    const auto sum = static_cast<uint32_t>(
        ::crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()));
    Entry entry;
    entry.name = name;
    entry.offset = lie.header_offset.value_or(bytes_.size());
    entry.packed = static_cast<uint64_t>(static_cast<int64_t>(packed.size()) + lie.packed_delta);
    entry.bytes = lie.bytes.value_or(content.size());
    entry.crc = sum ^ lie.crc_flip;
    entry.method = method;
    entry.flags = lie.flags;
    entries_.push_back(entry);
    put32(bytes_, 0x04034b50);
    put16(bytes_, 45);
    put16(bytes_, lie.flags);
    put16(bytes_, method);
    put32(bytes_, 0);
    put32(bytes_, sum);
    put32(bytes_, zip64_ ? 0xFFFFFFFF : static_cast<uint32_t>(packed.size()));
    put32(bytes_, zip64_ ? 0xFFFFFFFF : static_cast<uint32_t>(content.size()));
    put16(bytes_, static_cast<uint16_t>(name.size()));
    put16(bytes_, zip64_ ? 20 : 0);
    bytes_ += lie.local_name.value_or(name);
    if (zip64_) {
      put16(bytes_, 1);
      put16(bytes_, 16);
      put64(bytes_, content.size());
      put64(bytes_, packed.size());
    }
    bytes_ += packed;
  }

  /// Another directory entry over the last member's bytes.
  void add_alias(const std::string& name) {
    CHECK(!entries_.empty());
    Entry entry = entries_.back();
    entry.name = name;
    entries_.push_back(entry);
  }

  std::string finish(const std::string& comment = {}) const {
    std::string out = bytes_;
    const uint64_t directory = out.size();
    for (const Entry& entry : entries_) put_entry(out, entry);
    const uint64_t directory_bytes = out.size() - directory;
    if (zip64_) put_end64(out, directory, directory_bytes);
    put32(out, 0x06054b50);
    put32(out, 0);
    put16(out, zip64_ ? 0xFFFF : static_cast<uint16_t>(entries_.size()));
    put16(out, zip64_ ? 0xFFFF : static_cast<uint16_t>(entries_.size()));
    put32(out, zip64_ ? 0xFFFFFFFF : static_cast<uint32_t>(directory_bytes));
    put32(out, zip64_ ? 0xFFFFFFFF : static_cast<uint32_t>(directory));
    put16(out, static_cast<uint16_t>(comment.size()));
    return out + comment;
  }

 private:
  struct Entry {
    std::string name;
    uint64_t offset = 0;
    uint64_t packed = 0;
    uint64_t bytes = 0;
    uint32_t crc = 0;
    uint16_t method = 0;
    uint16_t flags = 0;
  };

  template <class Number>
  static void put(std::string& out, Number number) {
    char bytes[sizeof(Number)];
    base::store_le(bytes, number);
    out.append(bytes, sizeof(Number));
  }
  static void put16(std::string& out, uint16_t number) { put(out, number); }
  static void put32(std::string& out, uint32_t number) { put(out, number); }
  static void put64(std::string& out, uint64_t number) { put(out, number); }

  void put_entry(std::string& out, const Entry& entry) const {
    put32(out, 0x02014b50);
    put16(out, 45);
    put16(out, 45);
    put16(out, entry.flags);
    put16(out, entry.method);
    put32(out, 0);
    put32(out, entry.crc);
    put32(out, zip64_ ? 0xFFFFFFFF : static_cast<uint32_t>(entry.packed));
    put32(out, zip64_ ? 0xFFFFFFFF : static_cast<uint32_t>(entry.bytes));
    put16(out, static_cast<uint16_t>(entry.name.size()));
    put16(out, zip64_ ? 28 : 0);
    put16(out, 0);
    put16(out, 0);
    put16(out, 0);
    put32(out, 0);
    put32(out, zip64_ ? 0xFFFFFFFF : static_cast<uint32_t>(entry.offset));
    out += entry.name;
    if (!zip64_) return;
    put16(out, 1);
    put16(out, 24);
    put64(out, entry.bytes);
    put64(out, entry.packed);
    put64(out, entry.offset);
  }

  void put_end64(std::string& out, uint64_t directory, uint64_t directory_bytes) const {
    const uint64_t end64 = out.size();
    put32(out, 0x06064b50);
    put64(out, 44);
    put16(out, 45);
    put16(out, 45);
    put64(out, 0);
    put64(out, entries_.size());
    put64(out, entries_.size());
    put64(out, directory_bytes);
    put64(out, directory);
    put32(out, 0x07064b50);
    put32(out, 0);
    put64(out, end64);
    put32(out, 1);
  }

  static std::string deflate_raw(const std::string& content) {
    z_stream stream{};
    CHECK(::deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string packed(::deflateBound(&stream, content.size()), '\0');
    std::string input = content;
    stream.next_in = reinterpret_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    CHECK(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
    packed.resize(stream.total_out);
    ::deflateEnd(&stream);
    return packed;
  }

  bool zip64_;
  std::string bytes_;
  std::vector<Entry> entries_;
};

}  // namespace freehold::store
