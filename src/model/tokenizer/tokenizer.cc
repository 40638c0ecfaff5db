#include "model/tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/tokenizer/byte_level.h"
#include "model/tokenizer/create.h"
#include "model/tokenizer/sentence_piece.h"
#include "model/tokenizer/unigram.h"
#include "model/tokenizer/vocabulary.h"
#include "model/tokenizer/word_piece.h"

namespace freehold::model {

Result<std::unique_ptr<Tokenizer>> create_tokenizer(const Vocabulary& vocabulary) {
  TRY(check_vocabulary(vocabulary));
  if (vocabulary.model == "gpt2") return create_byte_level(vocabulary);
  if (vocabulary.model == "llama" || vocabulary.model == "gemma4") {
    return create_sentence_piece(vocabulary);
  }
  if (vocabulary.model == "t5") return create_unigram(vocabulary);
  if (vocabulary.model == "bert") return create_word_piece(vocabulary);
  return Error{ErrorCode::kRefused,
               fmt::format("the model's tokenizer '{}' is not known here", vocabulary.model),
               "Known are gpt2 (byte-level BPE), llama and gemma4 (SentencePiece-style BPE), t5 "
               "(Unigram) and bert (WordPiece)."};
}

Result<std::string> choose_guard(const std::vector<std::string_view>& texts) {
  for (char32_t code = 0xFDD0; code <= 0xFDEF; ++code) {
    std::string guard;
    base::append_utf8(guard, code);
    const bool taken = std::any_of(texts.begin(), texts.end(), [&](std::string_view text) {
      return text.find(guard) != std::string_view::npos;
    });
    if (!taken) return guard;
  }
  return Error{ErrorCode::kRefused, "the text holds all 32 characters set aside for programs",
               "take U+FDD0 to U+FDEF out of it: they have no meaning"};
}

std::string Detokenizer::push(TokenId token) {
  if (tokenizer_.is_control(token)) return {};
  held_ += tokenizer_.token_bytes(token);
  const size_t complete = held_.size() - base::incomplete_utf8_tail(held_);
  std::string text = held_.substr(0, complete);
  held_.erase(0, complete);
  return text;
}

std::string Detokenizer::finish() { return std::exchange(held_, {}); }

}  // namespace freehold::model
