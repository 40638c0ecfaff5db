#pragma once
// Sorted ranges of code points by the columns that terminals give them; the content is written by
// tools/make_width_tables.py. Constant.

#include <cstddef>

namespace freehold::cli {

struct RuneRange {
  char32_t first;
  char32_t last;
};

extern const RuneRange kZeroWidth[];
extern const size_t kZeroWidthCount;
extern const RuneRange kWide[];
extern const size_t kWideCount;

}  // namespace freehold::cli
