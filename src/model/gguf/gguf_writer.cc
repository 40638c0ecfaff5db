#include "model/gguf/gguf_writer.h"

#include <fmt/format.h>

#include <optional>

#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"

namespace freehold::model {

namespace {

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  base::store_le(bytes, value);
  out.append(bytes, sizeof(T));
}

void put_string(std::string& out, std::string_view text) {
  put<uint64_t>(out, text.size());
  out += text;
}

void put_type(std::string& out, ValueType type) { put(out, static_cast<uint32_t>(type)); }

template <class T>
void put_array(std::string& out, ValueType type, const std::vector<T>& values) {
  put_type(out, type);
  put<uint64_t>(out, values.size());
  for (const T& value : values) put(out, value);
}

}  // namespace

uint64_t PlannedTensor::values() const {
  uint64_t product = 1;
  for (const uint64_t dim : dims) product *= dim;
  return product;
}

uint64_t PlannedTensor::bytes() const {
  return values() / format->block_values * format->block_bytes;
}

uint64_t PlannedTensor::padded_bytes() const { return base::align_up(bytes(), kGgufAlignment); }

void GgufHeader::key(std::string_view name, ValueType type) {
  put_string(keys_, name);
  put_type(keys_, type);
  ++key_count_;
}

void GgufHeader::add_unsigned(std::string_view name, uint32_t value) {
  key(name, ValueType::kU32);
  put(keys_, value);
}

void GgufHeader::add_u16(std::string_view name, uint16_t value) {
  key(name, ValueType::kU16);
  put(keys_, value);
}

void GgufHeader::add_i32(std::string_view name, int32_t value) {
  key(name, ValueType::kI32);
  put(keys_, value);
}

void GgufHeader::add_float(std::string_view name, float value) {
  key(name, ValueType::kF32);
  put(keys_, value);
}

void GgufHeader::add_bool(std::string_view name, bool value) {
  key(name, ValueType::kBool);
  put<uint8_t>(keys_, value ? 1 : 0);
}

void GgufHeader::add_string(std::string_view name, std::string_view value) {
  key(name, ValueType::kString);
  put_string(keys_, value);
}

void GgufHeader::add_strings(std::string_view name, const std::vector<std::string>& values) {
  key(name, ValueType::kArray);
  put_type(keys_, ValueType::kString);
  put<uint64_t>(keys_, values.size());
  for (const std::string& value : values) put_string(keys_, value);
}

void GgufHeader::add_floats(std::string_view name, const std::vector<float>& values) {
  key(name, ValueType::kArray);
  put_array(keys_, ValueType::kF32, values);
}

void GgufHeader::add_integers(std::string_view name, const std::vector<int32_t>& values) {
  key(name, ValueType::kArray);
  put_array(keys_, ValueType::kI32, values);
}

namespace {

/// A number in the type it has in a file.
template <class Number>
void put_as(std::string& out, ValueType type, Number value) {
  switch (type) {
    case ValueType::kU8:
    case ValueType::kBool:
      return put(out, static_cast<uint8_t>(value));
    case ValueType::kI8:
      return put(out, static_cast<int8_t>(value));
    case ValueType::kU16:
      return put(out, static_cast<uint16_t>(value));
    case ValueType::kI16:
      return put(out, static_cast<int16_t>(value));
    case ValueType::kU32:
      return put(out, static_cast<uint32_t>(value));
    case ValueType::kI32:
      return put(out, static_cast<int32_t>(value));
    case ValueType::kF32:
      return put(out, static_cast<float>(value));
    case ValueType::kU64:
      return put(out, static_cast<uint64_t>(value));
    case ValueType::kI64:
      return put(out, static_cast<int64_t>(value));
    case ValueType::kF64:
      return put(out, static_cast<double>(value));
    case ValueType::kString:
    case ValueType::kArray:
      break;
  }
  CHECK(false);
}

bool is_float(ValueType type) { return type == ValueType::kF32 || type == ValueType::kF64; }

/// The value behind a scalar key's name and type; false where it is none of ours.
bool put_scalar(std::string& out, const Metadata& from, std::string_view name, ValueType type) {
  if (type == ValueType::kString) {
    put_string(out, *from.find_string(name));
  } else if (is_float(type)) {
    put_as(out, type, *from.find_float(name));
  } else if (type == ValueType::kBool) {
    put_as(out, type, *from.find_bool(name) ? 1 : 0);
  } else if (const auto whole = from.find_unsigned(name)) {
    put_as(out, type, *whole);
  } else if (const auto negative = from.find_signed(name)) {
    put_as(out, type, *negative);
  } else {
    return false;
  }
  return true;
}

bool put_elements(std::string& out, const Metadata& from, std::string_view name, ValueType type) {
  put_type(out, type);
  if (type == ValueType::kString) {
    const auto texts = from.find_strings(name);
    if (!texts) return false;
    put<uint64_t>(out, texts->size());
    for (const std::string_view text : *texts) put_string(out, text);
  } else if (is_float(type)) {
    const auto numbers = from.find_floats(name);
    if (!numbers) return false;
    put<uint64_t>(out, numbers->size());
    for (const double number : *numbers) put_as(out, type, number);
  } else {
    const auto numbers = from.find_integers(name);
    if (!numbers) return false;
    put<uint64_t>(out, numbers->size());
    for (const int64_t number : *numbers) put_as(out, type, number);
  }
  return true;
}

}  // namespace

Status GgufHeader::copy(const Metadata& from, std::string_view name) {
  const std::optional<ValueType> type = from.type_of(name);
  CHECK(type.has_value());
  const size_t before = keys_.size();
  key(name, *type);
  const bool done = *type == ValueType::kArray
                        ? put_elements(keys_, from, name, *from.array_type(name))
                        : put_scalar(keys_, from, name, *type);
  if (done) return {};
  keys_.resize(before);
  --key_count_;
  return Error{ErrorCode::kRefused,
               fmt::format("the key {} holds what is not written", base::printable(name)),
               {}};
}

std::string GgufHeader::build(std::span<const PlannedTensor> tensors) const {
  std::string out = "GGUF";
  put<uint32_t>(out, 3);
  put<uint64_t>(out, tensors.size());
  put<uint64_t>(out, key_count_);
  out += keys_;
  uint64_t offset = 0;
  for (const PlannedTensor& tensor : tensors) {
    put_string(out, tensor.name);
    put(out, static_cast<uint32_t>(tensor.dims.size()));
    for (const uint64_t dim : tensor.dims) put(out, dim);
    put(out, tensor.format->type_id);
    put(out, offset);
    offset += tensor.padded_bytes();
  }
  out.resize(base::align_up<uint64_t>(out.size(), kGgufAlignment), '\0');
  return out;
}

}  // namespace freehold::model
