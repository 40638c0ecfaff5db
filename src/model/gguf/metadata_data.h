#pragma once
// Metadata's storage: one arena for every byte of every value, and small records that point into
// it. Filled by the parser, or by add_* where a program makes metadata itself (tests, the model
// factory). Memory is proportional to the bytes the values have in a file.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf/gguf.h"

namespace freehold::model {

/// Bytes of one value of a fixed size; 0 for strings and arrays.
uint32_t value_bytes(ValueType type);
/// "u32", "string", … for messages; "type N" is the caller's business.
std::string_view value_type_name(ValueType type);
/// True for the thirteen known types.
bool is_value_type(uint32_t number);
/// `text` for a message: printable ASCII stays, the rest as \xNN, at most `length_max` characters.
std::string quoted(std::string_view text, size_t length_max = 80);

struct Metadata::Data {
  /// Where a value is. Scalars and strings have count 1 and element == type.
  struct Value {
    ValueType type = ValueType::kU8;
    ValueType element = ValueType::kU8;
    uint64_t count = 1;
    size_t offset = 0;     // in arena
    size_t first_end = 0;  // strings in arrays: index in ends
  };
  struct Entry {
    size_t key_offset = 0;  // in arena
    uint32_t key_bytes = 0;
    Value value;
  };

  std::string arena;
  /// For each string of an array, the end of its bytes counted from the array's offset.
  std::vector<uint32_t> ends;
  std::vector<Entry> entries;    // file order
  std::vector<uint32_t> by_key;  // indices of entries sorted by key

  std::string_view key(const Entry& entry) const {
    return std::string_view(arena).substr(entry.key_offset, entry.key_bytes);
  }
  /// String `index` of an array of strings, or of a single string.
  std::string_view string_at(const Value& value, uint64_t index) const;
  const char* bytes_at(const Value& value, uint64_t index) const {
    return arena.data() + value.offset + index * value_bytes(value.element);
  }
  const Value* find(std::string_view key) const;
  /// Sorts the keys; gives the second of two equal ones, or nothing. Call once, after the last add.
  const Entry* finish();

  /// For programs that make metadata. Keys must be new.
  void add_number(std::string_view key, ValueType type, const void* bytes);
  void add_unsigned(std::string_view key, uint32_t value) {
    add_number(key, ValueType::kU32, &value);
  }
  void add_float(std::string_view key, float value) { add_number(key, ValueType::kF32, &value); }
  void add_bool(std::string_view key, bool value);
  void add_string(std::string_view key, std::string_view value);
  void add_strings(std::string_view key, std::span<const std::string> values);
  void add_floats(std::string_view key, std::span<const float> values);
  void add_integers(std::string_view key, std::span<const int32_t> values);

 private:
  Entry& add_entry(std::string_view key);
};

}  // namespace freehold::model
