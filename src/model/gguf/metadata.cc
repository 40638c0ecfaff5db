#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/bytes.h"
#include "base/text.h"
#include "model/gguf/metadata_data.h"

namespace freehold::model {

uint32_t value_bytes(ValueType type) {
  switch (type) {
    case ValueType::kU8:
    case ValueType::kI8:
    case ValueType::kBool:
      return 1;
    case ValueType::kU16:
    case ValueType::kI16:
      return 2;
    case ValueType::kU32:
    case ValueType::kI32:
    case ValueType::kF32:
      return 4;
    case ValueType::kU64:
    case ValueType::kI64:
    case ValueType::kF64:
      return 8;
    case ValueType::kString:
    case ValueType::kArray:
      return 0;
  }
  return 0;
}

std::string_view value_type_name(ValueType type) {
  constexpr std::string_view kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                         "bool", "string", "array", "u64", "i64", "f64"};
  return kNames[static_cast<uint32_t>(type)];
}

bool is_value_type(uint32_t number) { return number <= static_cast<uint32_t>(ValueType::kF64); }

std::string quoted(std::string_view text, size_t length_max) {
  std::string out = "'";
  for (const char c : text) {
    if (out.size() > length_max) {
      out += "…";
      break;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", byte);
    }
  }
  return out + "'";
}

namespace {

// An integer of any width: its value, or for u64 above INT64_MAX `large` set.
struct Integer {
  int64_t value = 0;
  bool large = false;
};

std::optional<Integer> integer_from(ValueType type, const char* bytes) {
  switch (type) {
    case ValueType::kU8:
      return Integer{base::load_le<uint8_t>(bytes)};
    case ValueType::kI8:
      return Integer{base::load_le<int8_t>(bytes)};
    case ValueType::kU16:
      return Integer{base::load_le<uint16_t>(bytes)};
    case ValueType::kI16:
      return Integer{base::load_le<int16_t>(bytes)};
    case ValueType::kU32:
      return Integer{base::load_le<uint32_t>(bytes)};
    case ValueType::kI32:
      return Integer{base::load_le<int32_t>(bytes)};
    case ValueType::kU64: {
      const uint64_t value = base::load_le<uint64_t>(bytes);
      return Integer{static_cast<int64_t>(value),
                     value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())};
    }
    case ValueType::kI64:
      return Integer{base::load_le<int64_t>(bytes)};
    case ValueType::kF32:
    case ValueType::kBool:
    case ValueType::kString:
    case ValueType::kArray:
    case ValueType::kF64:
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<double> float_from(ValueType type, const char* bytes) {
  if (type == ValueType::kF32) return static_cast<double>(base::load_le<float>(bytes));
  if (type == ValueType::kF64) return base::load_le<double>(bytes);
  return std::nullopt;
}

}  // namespace

std::string_view Metadata::Data::string_at(const Value& value, uint64_t index) const {
  const uint32_t begin = index == 0 ? 0 : ends[value.first_end + index - 1];
  const uint32_t end = ends[value.first_end + index];
  return std::string_view(arena).substr(value.offset + begin, end - begin);
}

const Metadata::Data::Value* Metadata::Data::find(std::string_view wanted) const {
  const auto place =
      std::lower_bound(by_key.begin(), by_key.end(), wanted,
                       [&](uint32_t index, std::string_view k) { return key(entries[index]) < k; });
  if (place == by_key.end() || key(entries[*place]) != wanted) return nullptr;
  return &entries[*place].value;
}

const Metadata::Data::Entry* Metadata::Data::finish() {
  by_key.resize(entries.size());
  std::iota(by_key.begin(), by_key.end(), 0u);
  std::stable_sort(by_key.begin(), by_key.end(),
                   [&](uint32_t a, uint32_t b) { return key(entries[a]) < key(entries[b]); });
  const auto twin = std::adjacent_find(by_key.begin(), by_key.end(), [&](uint32_t a, uint32_t b) {
    return key(entries[a]) == key(entries[b]);
  });
  return twin == by_key.end() ? nullptr : &entries[*(twin + 1)];
}

Metadata::Data::Entry& Metadata::Data::add_entry(std::string_view new_key) {
  Entry entry;
  entry.key_offset = arena.size();
  entry.key_bytes = static_cast<uint32_t>(new_key.size());
  arena += new_key;
  entry.value.offset = arena.size();
  entry.value.first_end = ends.size();
  return entries.emplace_back(entry);
}

void Metadata::Data::add_number(std::string_view new_key, ValueType type, const void* bytes) {
  Value& value = add_entry(new_key).value;
  value.type = value.element = type;
  arena.append(static_cast<const char*>(bytes), value_bytes(type));
}

void Metadata::Data::add_bool(std::string_view new_key, bool value) {
  const uint8_t byte = value ? 1 : 0;
  add_number(new_key, ValueType::kBool, &byte);
}

void Metadata::Data::add_string(std::string_view new_key, std::string_view text) {
  Value& value = add_entry(new_key).value;
  value.type = value.element = ValueType::kString;
  arena += text;
  ends.push_back(static_cast<uint32_t>(text.size()));
}

void Metadata::Data::add_strings(std::string_view new_key, std::span<const std::string> texts) {
  Value& value = add_entry(new_key).value;
  value.type = ValueType::kArray;
  value.element = ValueType::kString;
  value.count = texts.size();
  uint32_t end = 0;
  for (const std::string& text : texts) {
    arena += text;
    end += static_cast<uint32_t>(text.size());
    ends.push_back(end);
  }
}

void Metadata::Data::add_floats(std::string_view new_key, std::span<const float> values) {
  Value& value = add_entry(new_key).value;
  value.type = ValueType::kArray;
  value.element = ValueType::kF32;
  value.count = values.size();
  arena.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

void Metadata::Data::add_integers(std::string_view new_key, std::span<const int32_t> values) {
  Value& value = add_entry(new_key).value;
  value.type = ValueType::kArray;
  value.element = ValueType::kI32;
  value.count = values.size();
  arena.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

Metadata::Metadata() : data_(std::make_unique<Data>()) {}
Metadata::Metadata(std::unique_ptr<Data> data) : data_(std::move(data)) { CHECK(data_ != nullptr); }
Metadata::Metadata(Metadata&& other) noexcept = default;
Metadata& Metadata::operator=(Metadata&& other) noexcept = default;
Metadata::~Metadata() = default;

std::optional<uint64_t> Metadata::find_unsigned(std::string_view key) const {
  const Data::Value* value = data_->find(key);
  if (value == nullptr) return std::nullopt;
  const auto integer = integer_from(value->type, data_->bytes_at(*value, 0));
  if (!integer || (integer->value < 0 && !integer->large)) return std::nullopt;
  return static_cast<uint64_t>(integer->value);
}

std::optional<int64_t> Metadata::find_signed(std::string_view key) const {
  const Data::Value* value = data_->find(key);
  if (value == nullptr) return std::nullopt;
  const auto integer = integer_from(value->type, data_->bytes_at(*value, 0));
  if (!integer || integer->large) return std::nullopt;
  return integer->value;
}

std::optional<double> Metadata::find_float(std::string_view key) const {
  const Data::Value* value = data_->find(key);
  if (value == nullptr) return std::nullopt;
  return float_from(value->type, data_->bytes_at(*value, 0));
}

std::optional<bool> Metadata::find_bool(std::string_view key) const {
  const Data::Value* value = data_->find(key);
  if (value == nullptr || value->type != ValueType::kBool) return std::nullopt;
  return *data_->bytes_at(*value, 0) != 0;
}

std::optional<std::string_view> Metadata::find_string(std::string_view key) const {
  const Data::Value* value = data_->find(key);
  if (value == nullptr || value->type != ValueType::kString) return std::nullopt;
  return data_->string_at(*value, 0);
}

std::optional<std::vector<std::string_view>> Metadata::find_strings(std::string_view key) const {
  const Data::Value* value = data_->find(key);
  if (value == nullptr || value->type != ValueType::kArray ||
      value->element != ValueType::kString) {
    return std::nullopt;
  }
  std::vector<std::string_view> out(value->count);
  for (uint64_t i = 0; i < value->count; ++i) out[i] = data_->string_at(*value, i);
  return out;
}

std::optional<std::vector<double>> Metadata::find_floats(std::string_view key) const {
  const Data::Value* value = data_->find(key);
  if (value == nullptr || value->type != ValueType::kArray) return std::nullopt;
  if (value->element == ValueType::kString || value->element == ValueType::kBool) {
    return std::nullopt;
  }
  std::vector<double> out(value->count);
  for (uint64_t i = 0; i < value->count; ++i) {
    const char* bytes = data_->bytes_at(*value, i);
    if (const auto number = float_from(value->element, bytes)) {
      out[i] = *number;
    } else {
      const auto integer = integer_from(value->element, bytes);
      out[i] = integer->large ? static_cast<double>(static_cast<uint64_t>(integer->value))
                              : static_cast<double>(integer->value);
    }
  }
  return out;
}

std::optional<std::vector<int64_t>> Metadata::find_integers(std::string_view key) const {
  const Data::Value* value = data_->find(key);
  if (value == nullptr || value->type != ValueType::kArray) return std::nullopt;
  std::vector<int64_t> out;
  if (value->element == ValueType::kString) return std::nullopt;
  out.reserve(value->count);
  for (uint64_t i = 0; i < value->count; ++i) {
    const char* bytes = data_->bytes_at(*value, i);
    const ValueType element = value->element == ValueType::kBool ? ValueType::kU8 : value->element;
    const auto integer = integer_from(element, bytes);
    if (!integer || integer->large) return std::nullopt;
    out.push_back(integer->value);
  }
  return out;
}

std::optional<uint64_t> Metadata::array_size(std::string_view key) const {
  const Data::Value* value = data_->find(key);
  if (value == nullptr || value->type != ValueType::kArray) return std::nullopt;
  return value->count;
}

std::optional<ValueType> Metadata::array_type(std::string_view key) const {
  const Data::Value* value = data_->find(key);
  if (value == nullptr || value->type != ValueType::kArray) return std::nullopt;
  return value->element;
}

bool Metadata::contains(std::string_view key) const { return data_->find(key) != nullptr; }

std::optional<ValueType> Metadata::type_of(std::string_view key) const {
  const Data::Value* value = data_->find(key);
  if (value == nullptr) return std::nullopt;
  return value->type;
}

std::vector<std::string_view> Metadata::keys() const {
  std::vector<std::string_view> out;
  out.reserve(data_->entries.size());
  for (const Data::Entry& entry : data_->entries) out.push_back(data_->key(entry));
  return out;
}

std::string Metadata::describe(std::string_view key) const {
  const Data::Value* value = data_->find(key);
  if (value == nullptr) return "(none)";
  if (value->type == ValueType::kArray) {
    return fmt::format("[{} x {}]", value->count, value_type_name(value->element));
  }
  if (value->type == ValueType::kString) return quoted(data_->string_at(*value, 0));
  const char* bytes = data_->bytes_at(*value, 0);
  if (value->type == ValueType::kBool) return *bytes != 0 ? "true" : "false";
  if (value->type == ValueType::kF32) return base::shortest(base::load_le<float>(bytes));
  if (value->type == ValueType::kF64) return base::shortest(base::load_le<double>(bytes));
  const auto integer = integer_from(value->type, bytes);
  return integer->large ? fmt::format("{}", static_cast<uint64_t>(integer->value))
                        : fmt::format("{}", integer->value);
}

}  // namespace freehold::model
