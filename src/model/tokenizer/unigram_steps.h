#pragma once
// What a tokenizer.json has done to a text before Unigram cuts it: the steps of the package
// `tokenizers`, which differ from sentencepiece's own (whole grapheme clusters are looked up in the
// character map, words are cut apart first). Pure functions.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/charsmap.h"

namespace freehold::model {

struct UnigramSteps {
  enum class Prepend : uint8_t { kNever, kFirst, kAlways };
  bool strips_left = false;
  bool strips_right = false;
  std::string runs_become;            // of two spaces and more; empty: they stay
  bool cuts_at_spaces = false;        // White_Space parts words and is dropped
  Prepend prepend = Prepend::kNever;  // ▁ before a text, or before every word
  bool cuts_at_marks = false;         // every ▁ starts a word
};

/// Words one after the other.
struct UnigramWords {
  std::string text;
  std::vector<size_t> ends;
};

/// `text` with `map` applied to clusters, then the steps. `first`: it starts the whole text.
UnigramWords prepare_words(const UnigramSteps& steps, const Charsmap& map, std::string_view text,
                           bool first);

}  // namespace freehold::model
