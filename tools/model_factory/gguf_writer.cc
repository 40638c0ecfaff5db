#include "model_factory/gguf_writer.h"

#include "base/bytes.h"

namespace freehold::factory {

namespace {

// GGUF's value types that are written here.
enum : uint32_t { kU16 = 2, kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9 };

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

template <class T>
void put_array(std::string& out, uint32_t type, const std::vector<T>& values) {
  put(out, type);
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

uint64_t PlannedTensor::padded_bytes() const { return base::align_up(bytes(), kAlignment); }

void GgufHeader::key(std::string_view name, uint32_t type) {
  put_string(keys_, name);
  put(keys_, type);
  ++key_count_;
}

void GgufHeader::add_unsigned(std::string_view name, uint32_t value) {
  key(name, kU32);
  put(keys_, value);
}

void GgufHeader::add_u16(std::string_view name, uint16_t value) {
  key(name, kU16);
  put(keys_, value);
}

void GgufHeader::add_i32(std::string_view name, int32_t value) {
  key(name, kI32);
  put(keys_, value);
}

void GgufHeader::add_float(std::string_view name, float value) {
  key(name, kF32);
  put(keys_, value);
}

void GgufHeader::add_bool(std::string_view name, bool value) {
  key(name, kBool);
  put<uint8_t>(keys_, value ? 1 : 0);
}

void GgufHeader::add_string(std::string_view name, std::string_view value) {
  key(name, kString);
  put_string(keys_, value);
}

void GgufHeader::add_strings(std::string_view name, const std::vector<std::string>& values) {
  key(name, kArray);
  put<uint32_t>(keys_, kString);
  put<uint64_t>(keys_, values.size());
  for (const std::string& value : values) put_string(keys_, value);
}

void GgufHeader::add_floats(std::string_view name, const std::vector<float>& values) {
  key(name, kArray);
  put_array(keys_, kF32, values);
}

void GgufHeader::add_integers(std::string_view name, const std::vector<int32_t>& values) {
  key(name, kArray);
  put_array(keys_, kI32, values);
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
  out.resize(base::align_up<uint64_t>(out.size(), kAlignment), '\0');
  return out;
}

}  // namespace freehold::factory
