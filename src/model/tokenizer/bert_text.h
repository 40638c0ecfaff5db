#pragma once
// BERT's text: its normalizer and its words, as the `tokenizers` package's BertNormalizer and
// BertPreTokenizer have them (Devlin et al., 2018, basic tokenization). Pure; any thread.

#include <string>
#include <string_view>

namespace freehold::model {

enum class BertCase {
  kUncased,  ///< Accents stripped, lower case.
  kCased
};

/// Controls away, every white space a space, spaces around Han characters, then by case. Bytes that
/// are not UTF-8 count as U+FFFD, which is a control here.
std::string normalize_bert(std::string_view text, BertCase letter_case);

/// Bytes of the first word of a normalized `text` that is not empty: a run of white space, which is
/// nobody's token, one punctuation character, or what lies between.
size_t bert_word_length(std::string_view text);

/// P, of the Unicode version that the package has, and ASCII's.
bool is_bert_punctuation(char32_t code);

}  // namespace freehold::model
