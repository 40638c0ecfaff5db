#pragma once
// The generated tables' shapes (tools/make_bert_tables.py). Use bert_text.h, not this.

#include <cstddef>
#include <cstdint>

namespace freehold::model {

struct CodeRange {
  char32_t first;
  char32_t last;
};
/// A character and what it becomes: `length` code points from `start` in kUncasedText.
struct UncasedMapping {
  char32_t code;
  uint32_t start;
  uint32_t length;
};

extern const CodeRange kPunctuationRanges[];
extern const size_t kPunctuationRangesCount;
extern const CodeRange kControlRanges[];
extern const size_t kControlRangesCount;
extern const CodeRange kHanRanges[];
extern const size_t kHanRangesCount;
extern const UncasedMapping kUncased[];  // sorted by code
extern const size_t kUncasedCount;
extern const char32_t kUncasedText[];

}  // namespace freehold::model
