#pragma once
// What each token of a vocabulary is beside its bytes: text or control, an end of generation or
// not, and the finders for tokens written out in a text. Shared by every tokenizer of this folder.

#include <optional>
#include <vector>

#include "model/tokenizer/special_tokens.h"
#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/vocabulary.h"

namespace freehold::model {

class TokenKinds {
 public:
  /// From a checked vocabulary; `eos` is the end-of-text token, the file's or its kind's. A token
  /// that ends generation by its text ("<|im_end|>") is control even where the file calls it
  /// user-defined: an end mark in a user's text must stay text.
  static Result<TokenKinds> create(const Vocabulary& vocabulary, std::optional<TokenId> eos);

  bool is_control(TokenId token) const { return has(token, kControlBit); }
  bool ends_generation(TokenId token) const { return has(token, kEndBit); }
  /// Control and unknown tokens: never what ordinary text becomes.
  bool is_special(TokenId token) const { return has(token, kSpecialBit); }
  /// Whether the token, written out, takes the white space before or behind it along.
  bool strips_left(TokenId token) const { return has(token, kStripsLeftBit); }
  bool strips_right(TokenId token) const { return has(token, kStripsRightBit); }
  /// Tokenizer::with_guards().
  std::string with_guards(std::string_view text, std::string_view guard) const;
  const SpecialTokenFinder& finder(SpecialTokens special) const {
    return special == SpecialTokens::kParse ? all_ : user_defined_;
  }

 private:
  enum Bit : uint8_t {
    kControlBit = 1,
    kEndBit = 2,
    kSpecialBit = 4,
    kStripsLeftBit = 8,
    kStripsRightBit = 16
  };
  bool has(TokenId token, Bit bit) const {
    return token >= 0 && static_cast<size_t>(token) < bits_.size() &&
           (bits_[static_cast<size_t>(token)] & bit) != 0;
  }
  std::vector<uint8_t> bits_;
  SpecialTokenFinder all_, user_defined_;
};

std::string without_guards(std::string_view text, std::string_view guard);
/// Length of `text` without the white space at its end.
size_t spaces_trimmed(std::string_view text);
/// Length of the white space at the start of `text`.
size_t leading_spaces(std::string_view text);

/// encode() of every tokenizer here: tokens written out in `text` become themselves, and
/// `encode_plain(piece, follows_token, tokens)` appends the tokens of what is between, guards taken
/// out. `piece` lives no longer than the call.
template <class EncodePlain>
std::vector<TokenId> encode_around_specials(const TokenKinds& kinds, std::string_view text,
                                            SpecialTokens special, std::string_view guard,
                                            EncodePlain encode_plain) {
  std::vector<TokenId> tokens;
  tokens.reserve(text.size() / 4 + 1);
  const SpecialTokenFinder& finder = kinds.finder(special);
  bool follows_token = true;  // the start of the text counts as one
  for (size_t at = 0; at < text.size();) {
    const SpecialTokenFinder::Match match = finder.find(text, at);
    const size_t end = match.length != 0 ? match.start : text.size();
    size_t plain_end = end;
    if (match.length != 0 && kinds.strips_left(match.token)) {
      plain_end = at + spaces_trimmed(text.substr(at, end - at));
    }
    const std::string_view piece = text.substr(at, plain_end - at);
    if (!guard.empty() && piece.find(guard) != std::string_view::npos) {
      const std::string bare = without_guards(piece, guard);
      if (!bare.empty()) encode_plain(bare, follows_token, tokens);
    } else if (!piece.empty()) {
      encode_plain(piece, follows_token, tokens);
    }
    follows_token = match.length != 0;
    if (follows_token) tokens.push_back(match.token);
    at = end + match.length;
    if (match.length != 0 && kinds.strips_right(match.token)) at += leading_spaces(text.substr(at));
  }
  return tokens;
}

}  // namespace freehold::model
