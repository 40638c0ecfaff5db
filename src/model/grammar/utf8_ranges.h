#pragma once
// Ranges of code points as ranges of bytes, so that automata over bytes accept whole UTF-8 only
// (the method of RE2 and of Rust's utf8-ranges). Pure.

#include <array>
#include <vector>

#include "model/grammar/grammar.h"

namespace freehold::model {

/// Byte i of the code points goes from low[i] to high[i], each independent of the others.
struct Utf8Range {
  uint8_t length = 0;
  std::array<uint8_t, 4> low{};
  std::array<uint8_t, 4> high{};
};

/// In ascending order. Surrogates, and what lies beyond U+10FFFF, are left out.
std::vector<Utf8Range> utf8_ranges(RuneRange range);

/// Sorted, without overlaps or neighbours.
std::vector<RuneRange> merged(std::vector<RuneRange> ranges);

/// Every code point that `ranges` does not hold.
std::vector<RuneRange> complement(std::vector<RuneRange> ranges);

}  // namespace freehold::model
