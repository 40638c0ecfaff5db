#include "ops/attention/kv_position.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/float16.h"

namespace freehold::ops {

namespace {

size_t quant_groups(size_t dim) { return base::divide_up(dim, kQuantGroup); }

size_t element_bytes(KvElement element) { return element == KvElement::kF32 ? 4 : 2; }

/// Bytes of `dim` elements outside of a page.
size_t packed_bytes(KvElement element, size_t dim) {
  if (element == KvElement::kQ8_0) return quant_groups(dim) * kValueBlockBytes;
  return dim * element_bytes(element);
}

/// Where the transposed keys of `position`'s group begin.
std::byte* key_group(const KvLayout& layout, const KvPage& page, uint32_t position) {
  return page.keys + position / kKeyGroup * key_group_bytes(layout);
}

std::byte* value_row(const KvLayout& layout, const KvPage& page, uint32_t position) {
  return page.values + position * value_row_bytes(layout);
}

/// One key as `dim` elements of T, `kKeyGroup` elements apart: out of the group, or into it.
template <class T>
void gather(const std::byte* group, size_t lane, size_t dim, std::byte* out) {
  for (size_t j = 0; j < dim; ++j) {
    std::memcpy(out + j * sizeof(T), group + (j * kKeyGroup + lane) * sizeof(T), sizeof(T));
  }
}
template <class T>
void scatter(const std::byte* in, std::byte* group, size_t lane, size_t dim) {
  for (size_t j = 0; j < dim; ++j) {
    std::memcpy(group + (j * kKeyGroup + lane) * sizeof(T), in + j * sizeof(T), sizeof(T));
  }
}

/// The same for q8_0: scales first, then one byte per dimension and lane.
constexpr size_t kScaleRow = kKeyGroup * sizeof(uint16_t);

void pack_key(const KvLayout& layout, const KvPage& page, uint32_t position, std::byte* out) {
  const std::byte* group = key_group(layout, page, position);
  const size_t lane = position % kKeyGroup;
  const size_t dim = layout.key_dim;
  switch (key_element(layout.type)) {
    case KvElement::kF32:
      return gather<float>(group, lane, dim, out);
    case KvElement::kF16:
      return gather<uint16_t>(group, lane, dim, out);
    case KvElement::kQ8_0:
      break;
  }
  for (size_t block = 0; block < quant_groups(dim); ++block) {
    const size_t dims = std::min(kQuantGroup, dim - block * kQuantGroup);
    std::byte* packed = out + block * kValueBlockBytes;
    std::memset(packed, 0, kValueBlockBytes);
    gather<uint16_t>(group, lane, 1, packed);
    gather<int8_t>(group + kScaleRow, lane, dims, packed + sizeof(uint16_t));
    group += kKeyBlockBytes;
  }
}

void unpack_key(const KvLayout& layout, const std::byte* in, const KvPage& page,
                uint32_t position) {
  std::byte* group = key_group(layout, page, position);
  const size_t lane = position % kKeyGroup;
  const size_t dim = layout.key_dim;
  switch (key_element(layout.type)) {
    case KvElement::kF32:
      return scatter<float>(in, group, lane, dim);
    case KvElement::kF16:
      return scatter<uint16_t>(in, group, lane, dim);
    case KvElement::kQ8_0:
      break;
  }
  for (size_t block = 0; block < quant_groups(dim); ++block) {
    const size_t dims = std::min(kQuantGroup, dim - block * kQuantGroup);
    const std::byte* packed = in + block * kValueBlockBytes;
    scatter<uint16_t>(packed, group, lane, 1);
    scatter<int8_t>(packed + sizeof(uint16_t), group + kScaleRow, lane, dims);
    group += kKeyBlockBytes;
  }
}

}  // namespace

size_t key_group_bytes(const KvLayout& layout) {
  const KvElement element = key_element(layout.type);
  if (element == KvElement::kQ8_0) return quant_groups(layout.key_dim) * kKeyBlockBytes;
  return layout.key_dim * kKeyGroup * element_bytes(element);
}

size_t value_row_bytes(const KvLayout& layout) {
  return packed_bytes(value_element(layout.type), layout.value_dim);
}

void widen_key(const KvLayout& layout, const KvPage& page, uint32_t position, size_t first,
               size_t count, float* out) {
  const std::byte* group = key_group(layout, page, position);
  const size_t lane = position % kKeyGroup;
  const KvElement element = key_element(layout.type);
  for (size_t j = first; j < first + count; ++j) {
    if (element == KvElement::kF32) {
      out[j - first] = base::load_le<float>(group + (j * kKeyGroup + lane) * sizeof(float));
    } else if (element == KvElement::kF16) {
      const std::byte* half = group + (j * kKeyGroup + lane) * sizeof(uint16_t);
      out[j - first] = base::float_from_f16(base::load_le<uint16_t>(half));
    } else {
      const std::byte* block = group + j / kQuantGroup * kKeyBlockBytes;
      const uint16_t d = base::load_le<uint16_t>(block + lane * sizeof(uint16_t));
      const std::byte* q = block + kScaleRow + j % kQuantGroup * kKeyGroup + lane;
      out[j - first] = base::float_from_f16(d) * static_cast<float>(base::load_le<int8_t>(q));
    }
  }
}

void widen_value(const KvLayout& layout, const KvPage& page, uint32_t position, size_t first,
                 size_t count, float* out) {
  const std::byte* row = value_row(layout, page, position);
  const KvElement element = value_element(layout.type);
  for (size_t j = first; j < first + count; ++j) {
    if (element == KvElement::kF32) {
      out[j - first] = base::load_le<float>(row + j * sizeof(float));
    } else if (element == KvElement::kF16) {
      out[j - first] = base::float_from_f16(base::load_le<uint16_t>(row + j * sizeof(uint16_t)));
    } else {
      const std::byte* block = row + j / kQuantGroup * kValueBlockBytes;
      const float d = base::float_from_f16(base::load_le<uint16_t>(block));
      const int8_t q = base::load_le<int8_t>(block + sizeof(uint16_t) + j % kQuantGroup);
      out[j - first] = d * static_cast<float>(q);
    }
  }
}

size_t packed_position_bytes(const KvLayout& layout) {
  return packed_bytes(key_element(layout.type), layout.key_dim) + value_row_bytes(layout);
}

void pack_position(const KvLayout& layout, const KvPage& page, uint32_t position,
                   std::byte* bytes) {
  pack_key(layout, page, position, bytes);
  bytes += packed_bytes(key_element(layout.type), layout.key_dim);
  std::memcpy(bytes, value_row(layout, page, position), value_row_bytes(layout));
}

void unpack_position(const KvLayout& layout, const std::byte* bytes, const KvPage& page,
                     uint32_t position) {
  unpack_key(layout, bytes, page, position);
  bytes += packed_bytes(key_element(layout.type), layout.key_dim);
  std::memcpy(value_row(layout, page, position), bytes, value_row_bytes(layout));
}

void copy_position(const KvLayout& layout, const KvPage& from, uint32_t from_position,
                   const KvPage& to, uint32_t to_position) {
  const std::byte* source = key_group(layout, from, from_position);
  std::byte* target = key_group(layout, to, to_position);
  const size_t lane_in = from_position % kKeyGroup;
  const size_t lane_out = to_position % kKeyGroup;
  const KvElement element = key_element(layout.type);
  // Rows of one group are equally long for every element of a type, scales of q8_0 included once
  // their two sizes are told apart.
  const auto copy_rows = [&](size_t offset, size_t rows, size_t size) {
    for (size_t row = 0; row < rows; ++row) {
      const size_t begin = offset + row * kKeyGroup * size;
      std::memcpy(target + begin + lane_out * size, source + begin + lane_in * size, size);
    }
  };
  if (element == KvElement::kQ8_0) {
    for (size_t block = 0; block < quant_groups(layout.key_dim); ++block) {
      const size_t dims = std::min(kQuantGroup, layout.key_dim - block * kQuantGroup);
      copy_rows(block * kKeyBlockBytes, 1, sizeof(uint16_t));
      copy_rows(block * kKeyBlockBytes + kScaleRow, dims, sizeof(int8_t));
    }
  } else {
    copy_rows(0, layout.key_dim, element_bytes(element));
  }
  std::memcpy(value_row(layout, to, to_position), value_row(layout, from, from_position),
              value_row_bytes(layout));
}

void copy_first_positions(const KvLayout& layout, const KvPage& from, uint32_t count,
                          const KvPage& to) {
  if (count == 0) return;
  const size_t groups = base::divide_up(size_t{count}, kKeyGroup);
  std::memcpy(to.keys, from.keys, groups * key_group_bytes(layout));
  std::memcpy(to.values, from.values, count * value_row_bytes(layout));
}

}  // namespace freehold::ops
