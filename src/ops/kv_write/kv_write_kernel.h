#pragma once
// The vector form of kv_write, over a trait V that an instruction set supplies: narrowing 32 values
// at a time. Included by kv_write_avx2.cc and kv_write_avx512.cc only; everything is local to the
// file that includes it, so that no code compiled for one rung is linked into another.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ops/attention/kv_position.h"
#include "ops/kv_write/kv_write.h"

namespace freehold::ops {
namespace {

/// V has static functions over 32 values, each false where something is not finite:
///   bool finite(const float* x);
///   bool narrow(const float* x, uint16_t* half);
///   bool quantise(const float* x, int8_t* q, uint16_t* d);   zeros where x is not finite
template <class V>
struct KvWriter {
  const KvWrite& task;
  bool finite = true;

  /// 32 values from `first` on; a short last piece is padded with zeros in `padded`.
  static const float* piece(const float* x, size_t first, size_t count, float* padded) {
    if (count == kQuantGroup) return x + first;
    std::memset(padded, 0, kQuantGroup * sizeof(float));
    std::memcpy(padded, x + first, count * sizeof(float));
    return padded;
  }

  static size_t piece_count(size_t dim, size_t first) {
    return dim - first < kQuantGroup ? dim - first : kQuantGroup;
  }

  void write_key() {
    const KvElement element = key_element(task.layout.type);
    const size_t dim = task.layout.key_dim;
    const size_t lane = task.position % kKeyGroup;
    std::byte* group = task.page.keys + task.position / kKeyGroup * key_group_bytes(task.layout);
    alignas(64) float padded[kQuantGroup];
    for (size_t first = 0; first < dim; first += kQuantGroup) {
      const size_t count = piece_count(dim, first);
      const float* x = piece(task.key, first, count, padded);
      if (element == KvElement::kF32) {
        finite &= V::finite(x);
        float* out = reinterpret_cast<float*>(group) + lane;
        for (size_t j = 0; j < count; ++j) out[(first + j) * kKeyGroup] = x[j];
      } else if (element == KvElement::kF16) {
        alignas(64) uint16_t half[kQuantGroup];
        finite &= V::narrow(x, half);
        uint16_t* out = reinterpret_cast<uint16_t*>(group) + lane;
        for (size_t j = 0; j < count; ++j) out[(first + j) * kKeyGroup] = half[j];
      } else {
        alignas(64) int8_t q[kQuantGroup];
        uint16_t d = 0;
        finite &= V::quantise(x, q, &d);
        std::byte* block = group + first / kQuantGroup * kKeyBlockBytes;
        std::memcpy(block + lane * sizeof(d), &d, sizeof(d));
        int8_t* out = reinterpret_cast<int8_t*>(block + kKeyGroup * sizeof(d)) + lane;
        for (size_t j = 0; j < count; ++j) out[j * kKeyGroup] = q[j];
      }
    }
  }

  void write_value() {
    const KvElement element = value_element(task.layout.type);
    const size_t dim = task.layout.value_dim;
    std::byte* row = task.page.values + task.position * value_row_bytes(task.layout);
    alignas(64) float padded[kQuantGroup];
    for (size_t first = 0; first < dim; first += kQuantGroup) {
      const size_t count = piece_count(dim, first);
      const float* x = piece(task.value, first, count, padded);
      if (element == KvElement::kF32) {
        finite &= V::finite(x);
        std::memcpy(row + first * sizeof(float), x, count * sizeof(float));
      } else if (element == KvElement::kF16) {
        alignas(64) uint16_t half[kQuantGroup];
        finite &= V::narrow(x, half);
        std::memcpy(row + first * sizeof(uint16_t), half, count * sizeof(uint16_t));
      } else {
        uint16_t d = 0;
        alignas(64) int8_t q[kQuantGroup];
        finite &= V::quantise(x, q, &d);
        std::byte* block = row + first / kQuantGroup * kValueBlockBytes;
        std::memcpy(block, &d, sizeof(d));
        std::memcpy(block + sizeof(d), q, sizeof(q));
      }
    }
  }
};

template <class V>
void kv_write_fast(const KvWrite& task) {
  KvWriter<V> writer{task};
  writer.write_key();
  writer.write_value();
  if (!writer.finite) *task.finite = false;
}

}  // namespace
}  // namespace freehold::ops
