#include "model/tokenizer/vocabulary.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace freehold::model {
namespace {

constexpr size_t kTokensMax = 16'777'216;   // sixty times the largest vocabulary in use
constexpr size_t kTokenBytesMax = 65'536;   // the loader's limit for token strings
constexpr size_t kTextBytesMax = 1u << 30;  // of all tokens; offsets into them take 32 bits

Error damaged(std::string what) {
  return Error{
      ErrorCode::kDamaged, "tokenizer: " + std::move(what),
      "The file's vocabulary is not consistent; fetch the model again or convert it anew."};
}

Status check_special(const Vocabulary& vocabulary, const char* name,
                     const std::optional<uint64_t>& id) {
  if (id.has_value() && *id >= vocabulary.tokens.size()) {
    return damaged(fmt::format("the {} token's id {} is outside the vocabulary of {} tokens", name,
                               *id, vocabulary.tokens.size()));
  }
  return {};
}

Status check_sizes(const Vocabulary& vocabulary) {
  const size_t count = vocabulary.tokens.size();
  if (count == 0) return damaged("the vocabulary is empty");
  if (count > kTokensMax) {
    return Error{ErrorCode::kRefused,
                 fmt::format("tokenizer: {} tokens, more than the limit of {}", count, kTokensMax),
                 {}};
  }
  if (!vocabulary.scores.empty() && vocabulary.scores.size() != count) {
    return damaged(fmt::format("{} scores for {} tokens", vocabulary.scores.size(), count));
  }
  if (!vocabulary.types.empty() && vocabulary.types.size() != count) {
    return damaged(fmt::format("{} token types for {} tokens", vocabulary.types.size(), count));
  }
  if (!vocabulary.strips.empty() && vocabulary.strips.size() != count) {
    return damaged(fmt::format("{} strip marks for {} tokens", vocabulary.strips.size(), count));
  }
  return {};
}

Status check_token(const Vocabulary& vocabulary, size_t token) {
  const std::string_view text = vocabulary.tokens[token];
  if (text.size() > kTokenBytesMax) {
    return damaged(
        fmt::format("token {} has {} bytes, more than {}", token, text.size(), kTokenBytesMax));
  }
  if (!vocabulary.scores.empty() && std::isnan(vocabulary.scores[token])) {
    return damaged(fmt::format("the score of token {} is not a number", token));
  }
  if (vocabulary.types.empty()) return {};
  const int64_t type = vocabulary.types[token];
  if (type < 0 || type > 6) return damaged(fmt::format("token {} has type {}", token, type));
  if (vocabulary.type(token) == TokenType::kByte && !byte_of_token(text).has_value()) {
    return damaged(fmt::format("token {} is a byte token but its text is not <0xNN>", token));
  }
  return {};
}

int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

}  // namespace

Status check_vocabulary(const Vocabulary& vocabulary) {
  TRY(check_sizes(vocabulary));
  size_t bytes = 0;
  for (size_t token = 0; token < vocabulary.tokens.size(); ++token) {
    TRY(check_token(vocabulary, token));
    bytes += vocabulary.tokens[token].size();
  }
  if (bytes > kTextBytesMax) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("tokenizer: {} bytes of token text, more than {}", bytes, kTextBytesMax),
        {}};
  }
  TRY(check_special(vocabulary, "beginning-of-text", vocabulary.bos));
  TRY(check_special(vocabulary, "end-of-text", vocabulary.eos));
  TRY(check_special(vocabulary, "end-of-turn", vocabulary.eot));
  TRY(check_special(vocabulary, "end-of-message", vocabulary.eom));
  TRY(check_special(vocabulary, "unknown", vocabulary.unknown));
  TRY(check_special(vocabulary, "padding", vocabulary.padding));
  TRY(check_special(vocabulary, "separator", vocabulary.separator));
  TRY(check_special(vocabulary, "mask", vocabulary.mask));
  TRY(check_special(vocabulary, "classifier", vocabulary.cls));
  return {};
}

std::optional<uint8_t> byte_of_token(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return std::nullopt;
  const int high = hex_digit(text[3]), low = hex_digit(text[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<uint8_t>(high * 16 + low);
}

}  // namespace freehold::model
