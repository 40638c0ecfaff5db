#pragma once
// The generated tables' shapes (tools/make_unicode_tables.py). Use unicode.h, not this.

#include <cstddef>
#include <cstdint>

namespace freehold::model::unicode {

struct CombiningRange {
  char32_t first;
  char32_t last;
  uint8_t combining_class;
};
struct Decomposition {
  char32_t code;
  uint16_t start;  // in kDecomposed
  uint8_t length;
};
struct Composition {
  char32_t first;
  char32_t second;
  char32_t composite;
};

struct ClusterRange {
  char32_t first;
  char32_t last;
  uint8_t kind;  // Cluster of unicode.cc
};

constexpr size_t kClassBlock = 128;  // code points in one block
extern const uint16_t kClassIndex[8704];
extern const uint8_t kClassBlocks[];
extern const CombiningRange kCombining[];      // sorted by first
extern const char32_t kDecomposed[];           // full canonical decompositions
extern const Decomposition kDecompositions[];  // sorted by code; Hangul is arithmetic
extern const Composition kCompositions[];      // sorted by (first, second)
extern const char32_t kDecimalZeros[];         // ascending; each starts ten digits (Nd)
extern const char32_t kConnectors[];           // ascending (Pc)
extern const ClusterRange kClusters[];         // sorted by first; Hangul syllables are arithmetic
extern const size_t kClusterCount;
extern const size_t kDecimalZeroCount;
extern const size_t kConnectorCount;
extern const size_t kCombiningCount;
extern const size_t kDecompositionCount;
extern const size_t kCompositionCount;

}  // namespace freehold::model::unicode
