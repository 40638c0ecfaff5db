#include "model/tokenizer/framing.h"

#include <fmt/format.h>

#include <string>

namespace freehold::model {

namespace {

void append(std::vector<TokenId>& tokens, const std::vector<TokenId>& more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
}

std::vector<TokenId> plain(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, SpecialTokens::kPlainText);
}

}  // namespace

FramedText frame(const Tokenizer& tokenizer, std::string_view text) {
  FramedText framed;
  if (tokenizer.adds_bos()) framed.tokens.push_back(*tokenizer.bos());
  append(framed.tokens, plain(tokenizer, text));
  if (tokenizer.adds_eos()) framed.tokens.push_back(*tokenizer.eos());
  return framed;
}

Result<FramedText> frame_pair(const Tokenizer& tokenizer, std::string_view first,
                              std::string_view second) {
  if (!tokenizer.eos()) {
    return Error{ErrorCode::kRefused, "the model's vocabulary has no token that ends a text",
                 "a pair of texts cannot be told apart without one"};
  }
  FramedText framed = frame(tokenizer, first);
  if (!tokenizer.adds_eos()) framed.tokens.push_back(*tokenizer.eos());
  const bool doubled = tokenizer.bos() && tokenizer.token_bytes(*tokenizer.bos()) == "<s>";
  if (doubled) framed.tokens.push_back(*tokenizer.eos());
  framed.second_from = framed.tokens.size();
  append(framed.tokens, plain(tokenizer, second));
  framed.tokens.push_back(*tokenizer.eos());
  return framed;
}

Result<FramedText> frame_by_template(const Tokenizer& tokenizer, std::string_view text_template,
                                     std::string_view query, std::string_view document) {
  const std::string guard = TRY(choose_guard({text_template, query, document}));
  const std::pair<std::string_view, std::string_view> places[] = {{"{query}", query},
                                                                  {"{document}", document}};
  std::string text;
  std::string_view rest = text_template;
  for (const auto& [place, value] : places) {
    const size_t at = rest.find(place);
    if (at == std::string_view::npos) {
      return Error{
          ErrorCode::kRefused,
          fmt::format("the model's template for pairs has no {} behind what comes before", place),
          "use another file of the model"};
    }
    text += rest.substr(0, at);
    text += tokenizer.with_guards(value, guard);
    rest.remove_prefix(at + place.size());
  }
  text += rest;
  FramedText framed;
  if (tokenizer.adds_bos()) framed.tokens.push_back(*tokenizer.bos());
  append(framed.tokens, tokenizer.encode_guarded(text, SpecialTokens::kParse, guard));
  return framed;
}

}  // namespace freehold::model
