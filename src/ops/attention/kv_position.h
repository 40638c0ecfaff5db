#pragma once
// One position of a page, apart from its neighbours: decoded to f32, or moved as the bytes it is
// stored in. The plain reading of the layout in kv_layout.h, for references, tests, tree nodes and
// snapshots; not for fast loops. Pure; any thread that may read (and, for what is written, write)
// the page.

#include <cstddef>
#include <cstdint>

#include "ops/attention/kv_layout.h"

namespace freehold::ops {

/// Values of a q8_0 group along the head dimension (docs/NUMERICS.md, section 3).
inline constexpr size_t kQuantGroup = 32;

/// How one element is stored.
enum class KvElement { kF32, kF16, kQ8_0 };
constexpr KvElement key_element(CacheType type) {
  if (type == CacheType::kF32) return KvElement::kF32;
  return type == CacheType::kQ8_0 ? KvElement::kQ8_0 : KvElement::kF16;
}
constexpr KvElement value_element(CacheType type) {
  if (type == CacheType::kF32) return KvElement::kF32;
  return type == CacheType::kF16 ? KvElement::kF16 : KvElement::kQ8_0;
}

/// Bytes of one q8_0 block: of 32 dimensions of 32 transposed keys, and of 32 dimensions of a
/// value.
inline constexpr size_t kKeyBlockBytes = kKeyGroup * sizeof(uint16_t) + kQuantGroup * kKeyGroup;
inline constexpr size_t kValueBlockBytes = sizeof(uint16_t) + kQuantGroup;

/// Bytes from one group of 32 keys to the next, and from one position's value to the next.
size_t key_group_bytes(const KvLayout& layout);
size_t value_row_bytes(const KvLayout& layout);

/// `count` elements from dimension `first` on of the key (value) at `position`, widened to f32.
void widen_key(const KvLayout& layout, const KvPage& page, uint32_t position, size_t first,
               size_t count, float* out);
void widen_value(const KvLayout& layout, const KvPage& page, uint32_t position, size_t first,
                 size_t count, float* out);

/// Bytes of one position outside of a page: the key's elements in order (q8_0: 34-byte blocks, the
/// field's form, a short last group padded with zeros), then the value's in the same way. It does
/// not depend on how pages are laid out.
size_t packed_position_bytes(const KvLayout& layout);
/// Copies one position out of a page, or into one. `bytes` has packed_position_bytes.
void pack_position(const KvLayout& layout, const KvPage& page, uint32_t position, std::byte* bytes);
void unpack_position(const KvLayout& layout, const std::byte* bytes, const KvPage& page,
                     uint32_t position);

/// Copies one position from page to page; no bit changes.
void copy_position(const KvLayout& layout, const KvPage& from, uint32_t from_position,
                   const KvPage& to, uint32_t to_position);

/// Copies positions 0 to count - 1 to the same places of another page. Positions after them may be
/// overwritten with the source's bytes.
void copy_first_positions(const KvLayout& layout, const KvPage& from, uint32_t count,
                          const KvPage& to);

}  // namespace freehold::ops
