#pragma once
// A whole text, or a pair of texts, as an encoder wants it: with the special tokens around it that
// the vocabulary's models were trained with. Pure; any thread.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/tokenizer/tokenizer.h"

namespace freehold::model {

struct FramedText {
  std::vector<TokenId> tokens;
  size_t second_from = SIZE_MAX;  // of a pair: where the second segment begins
};

/// BOS text EOS, each where the model wants it.
FramedText frame(const Tokenizer& tokenizer, std::string_view text);

/// BOS first EOS second EOS; two EOS in the middle where the BOS is "<s>", as RoBERTa's family has
/// it. kRefused for a vocabulary that has no EOS.
Result<FramedText> frame_pair(const Tokenizer& tokenizer, std::string_view first,
                              std::string_view second);

/// A pair by a template with the places {query} and {document}, whose special tokens are read, and
/// theirs not. kRefused where a place is missing.
Result<FramedText> frame_by_template(const Tokenizer& tokenizer, std::string_view text_template,
                                     std::string_view query, std::string_view document);

}  // namespace freehold::model
