#include "model/safetensors/parse_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/bytes.h"
#include "base/json.h"
#include "base/text.h"

namespace freehold::model {

namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr std::string_view kFetchAgain = "fetch the file again";
constexpr size_t kDepthMax = 4;  // a header is an object of objects of arrays

struct ElementType {
  std::string_view name;
  SafetensorsType type;
  uint64_t bytes;
};

constexpr ElementType kTypes[] = {
#define FREEHOLD_SAFETENSORS_TYPE(name, bytes) {#name, SafetensorsType::k##name, bytes},
#include "model/safetensors/types.def"
#undef FREEHOLD_SAFETENSORS_TYPE
};

Error damaged(std::string what) {
  return Error{ErrorCode::kDamaged, std::move(what), std::string(kFetchAgain)};
}

Error damaged_tensor(std::string_view name, std::string_view what) {
  return damaged(fmt::format("tensor {}: {}", base::printable(name), what));
}

/// The header's text. Its length is believed only as far as the file and the limit go.
Result<std::string> read_header(io::ReadableFile& file, const SafetensorsLimits& limits) {
  if (file.size() < kLengthBytes) {
    return damaged(fmt::format("{} bytes are too few for a safetensors file", file.size()));
  }
  std::byte length_bytes[kLengthBytes];
  TRY(file.read_exactly(0, length_bytes));
  const auto length = base::load_le<uint64_t>(length_bytes);
  if (length > file.size() - kLengthBytes) {
    return damaged(
        fmt::format("its header of {} bytes goes beyond the file's {}", length, file.size()));
  }
  if (length > limits.header_bytes) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("its header has {} bytes, at most {} are read", length, limits.header_bytes),
        "no known model comes near; do not trust this file"};
  }
  std::string text(static_cast<size_t>(length), '\0');
  TRY(file.read_exactly(kLengthBytes, std::as_writable_bytes(std::span(text))));
  if (!text.starts_with('{')) return damaged("its header does not begin with {");
  return text;
}

Result<ElementType> parse_type(std::string_view name, const base::JsonValue& entry) {
  const auto text = entry.find_string("dtype");
  if (!text) return damaged_tensor(name, "no dtype");
  const auto* found =
      std::ranges::find_if(kTypes, [&](const ElementType& type) { return type.name == *text; });
  if (found == std::end(kTypes)) {
    return Error{ErrorCode::kRefused,
                 fmt::format("tensor {}: elements of type {} are not read", base::printable(name),
                             base::printable(*text)),
                 "use a copy of the model in F32, F16 or BF16"};
  }
  return *found;
}

/// Fills shape and gives the bytes that it asks for.
Result<uint64_t> parse_shape(const base::JsonValue& entry, uint64_t element_bytes,
                             const SafetensorsLimits& limits, SafetensorsTensor& tensor) {
  const base::JsonValue* shape = entry.find("shape");
  if (shape == nullptr || !shape->is_array()) return damaged_tensor(tensor.name, "no shape");
  if (shape->elements().size() > limits.dimensions) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("tensor {}: {} dimensions, at most {} are read", base::printable(tensor.name),
                    shape->elements().size(), limits.dimensions),
        {}};
  }
  uint64_t bytes = element_bytes;
  for (const base::JsonValue& element : shape->elements()) {
    const auto size = element.as_unsigned();
    if (!size) return damaged_tensor(tensor.name, "its shape is not of whole numbers");
    if (__builtin_mul_overflow(bytes, *size, &bytes)) {
      return damaged_tensor(tensor.name, "its shape is beyond 64 bits");
    }
    tensor.shape.push_back(*size);
  }
  return bytes;
}

Result<SafetensorsTensor> parse_tensor(const base::JsonMember& member, uint64_t data_begin,
                                       uint64_t data_bytes, const SafetensorsLimits& limits) {
  SafetensorsTensor tensor;
  if (member.key.empty() || member.key.size() > limits.name_bytes) {
    return Error{ErrorCode::kRefused,
                 fmt::format("a tensor's name has {} bytes; 1 to {} are read", member.key.size(),
                             limits.name_bytes),
                 {}};
  }
  tensor.name = member.key;
  if (!member.value.is_object()) return damaged_tensor(tensor.name, "not described by an object");
  const ElementType type = TRY(parse_type(tensor.name, member.value));
  tensor.type = type.type;
  const uint64_t shape_bytes = TRY(parse_shape(member.value, type.bytes, limits, tensor));

  const auto offsets = member.value.find_elements("data_offsets");
  const auto begin = offsets.size() == 2 ? offsets[0].as_unsigned() : std::nullopt;
  const auto end = offsets.size() == 2 ? offsets[1].as_unsigned() : std::nullopt;
  if (!begin || !end) return damaged_tensor(tensor.name, "data_offsets are not two whole numbers");
  if (*begin > *end || *end > data_bytes) {
    return damaged_tensor(
        tensor.name,
        fmt::format("its place {} to {} is not in the {} bytes of data", *begin, *end, data_bytes));
  }
  if (*end - *begin != shape_bytes) {
    return damaged_tensor(tensor.name, fmt::format("its shape needs {} bytes, its place has {}",
                                                   shape_bytes, *end - *begin));
  }
  tensor.offset = data_begin + *begin;
  tensor.bytes = shape_bytes;
  return tensor;
}

/// The format allows no holes and no overlaps: each tensor begins where the one before it ends.
Status check_places(std::span<const SafetensorsTensor> tensors, uint64_t data_begin,
                    uint64_t data_end) {
  uint64_t expected = data_begin;
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.offset != expected) {
      return damaged_tensor(tensor.name, tensor.offset < expected
                                             ? "its data overlaps another tensor's"
                                             : "there is a hole before its data");
    }
    expected += tensor.bytes;
  }
  if (expected != data_end) {
    return damaged(fmt::format("{} bytes behind the last tensor", data_end - expected));
  }
  return {};
}

}  // namespace

std::string_view safetensors_type_name(SafetensorsType type) {
  return kTypes[static_cast<size_t>(type)].name;
}

Result<std::vector<SafetensorsTensor>> parse_safetensors_header(io::ReadableFile& file,
                                                                const SafetensorsLimits& limits) {
  const std::string text = TRY(read_header(file, limits));
  const auto header = TRY(base::JsonValue::parse(
      text, {.bytes_max = static_cast<size_t>(limits.header_bytes), .depth_max = kDepthMax}));
  if (header.members().size() > limits.tensors) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("{} tensors, at most {} are read", header.members().size(), limits.tensors),
        {}};
  }
  const uint64_t data_begin = kLengthBytes + text.size();
  std::vector<SafetensorsTensor> tensors;
  for (const base::JsonMember& member : header.members()) {
    if (member.key == "__metadata__") continue;
    tensors.push_back(TRY(parse_tensor(member, data_begin, file.size() - data_begin, limits)));
  }
  std::ranges::sort(tensors, [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
    return std::tie(a.offset, a.bytes, a.name) < std::tie(b.offset, b.bytes, b.name);
  });
  TRY(check_places(tensors, data_begin, file.size()));
  return tensors;
}

}  // namespace freehold::model
