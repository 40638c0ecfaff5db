// The reference: one element after the other. docs/NUMERICS.md, section 3 (cache types) and
// section 1 (the q8_0 rule with G = 32).
#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bytes.h"
#include "base/float16.h"
#include "ops/attention/kv_position.h"
#include "ops/kv_write/kv_write.h"
#include "ops/op_table.h"

namespace freehold::ops {

namespace {

bool is_finite(float x) { return (std::bit_cast<uint32_t>(x) & 0x7F800000u) != 0x7F800000u; }
bool is_finite_f16(uint16_t half) { return (half & 0x7C00u) != 0x7C00u; }

/// Round to nearest even for |x| < 2^22, by two additions.
float nearest_even(float x) { return (x + 0x1.8p23f) - 0x1.8p23f; }

/// Quantises `count` <= 32 values. A value that is not finite makes d and every q zero.
bool quantise_group(const float* x, size_t count, int8_t* q, uint16_t* d) {
  *d = 0;
  std::memset(q, 0, count);
  if (!std::all_of(x, x + count, is_finite)) return false;
  float amax = 0;
  for (size_t i = 0; i < count; ++i) amax = std::max(amax, x[i] < 0 ? -x[i] : x[i]);
  if (amax < 0x1p-100f) return true;
  const float inv = 127.0f / amax;
  for (size_t i = 0; i < count; ++i) {
    q[i] = static_cast<int8_t>(std::clamp(nearest_even(x[i] * inv), -127.0f, 127.0f));
  }
  *d = base::f16_from_float(amax / 127.0f);
  return is_finite_f16(*d);
}

/// Narrows one row to the packed form of pack_position. False where something is not finite.
bool narrow_row(KvElement element, const float* x, size_t dim, std::byte* out) {
  bool finite = true;
  if (element == KvElement::kF32) {
    std::memcpy(out, x, dim * sizeof(float));
    return std::all_of(x, x + dim, is_finite);
  }
  if (element == KvElement::kF16) {
    for (size_t j = 0; j < dim; ++j) {
      const uint16_t half = base::f16_from_float(x[j]);
      finite &= is_finite_f16(half);
      base::store_le(out + j * sizeof(half), half);
    }
    return finite;
  }
  for (size_t first = 0; first < dim; first += kQuantGroup) {
    uint16_t d = 0;
    int8_t q[kQuantGroup] = {};
    finite &= quantise_group(x + first, std::min(kQuantGroup, dim - first), q, &d);
    base::store_le(out, d);
    std::memcpy(out + sizeof(d), q, sizeof(q));
    out += kValueBlockBytes;
  }
  return finite;
}

/// Moves a packed key into its lane.
void scatter_key(const KvLayout& layout, const std::byte* packed, std::byte* group, size_t lane) {
  const KvElement element = key_element(layout.type);
  if (element != KvElement::kQ8_0) {
    const size_t size = element == KvElement::kF32 ? sizeof(float) : sizeof(uint16_t);
    for (size_t j = 0; j < layout.key_dim; ++j) {
      std::memcpy(group + (j * kKeyGroup + lane) * size, packed + j * size, size);
    }
    return;
  }
  for (size_t first = 0; first < layout.key_dim; first += kQuantGroup) {
    std::memcpy(group + lane * sizeof(uint16_t), packed, sizeof(uint16_t));
    const size_t count = std::min<size_t>(kQuantGroup, layout.key_dim - first);
    for (size_t j = 0; j < count; ++j) {
      group[kKeyGroup * sizeof(uint16_t) + j * kKeyGroup + lane] = packed[sizeof(uint16_t) + j];
    }
    packed += kValueBlockBytes;
    group += kKeyBlockBytes;
  }
}

}  // namespace

void kv_write_ref(const KvWrite& task) {
  const KvLayout& layout = task.layout;
  // The key goes through a bounded buffer, a piece of 256 dimensions at a time.
  constexpr size_t kPiece = 256;
  std::byte packed[kPiece * sizeof(float)];
  std::byte* group = task.page.keys + task.position / kKeyGroup * key_group_bytes(layout);
  bool finite = true;
  for (size_t first = 0; first < layout.key_dim; first += kPiece) {
    KvLayout piece = layout;
    piece.key_dim = static_cast<uint32_t>(std::min<size_t>(kPiece, layout.key_dim - first));
    finite &= narrow_row(key_element(layout.type), task.key + first, piece.key_dim, packed);
    scatter_key(piece, packed, group, task.position % kKeyGroup);
    group += key_group_bytes(piece);
  }
  finite &= narrow_row(value_element(layout.type), task.value, layout.value_dim,
                       task.page.values + task.position * value_row_bytes(layout));
  if (!finite) *task.finite = false;
}

}  // namespace freehold::ops
