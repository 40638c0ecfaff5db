#pragma once
// Template text to tokens: Jinja's delimiters and white-space control as transformers sets them
// (trim_blocks, lstrip_blocks, no trailing newline kept). Linear, no recursion.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace freehold::model::jinja {

enum class TokenKind : uint8_t {
  kData,
  kPrintBegin,  // {{
  kPrintEnd,    // }}
  kBlockBegin,  // {%
  kBlockEnd,    // %}
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  uint32_t line = 1, column = 1;
  std::string text;  // data, name, unescaped string, digits, operator
};

/// kDamaged, with line and column, for what Jinja's lexer refuses.
Result<std::vector<Token>> tokenize(std::string_view source);

/// A kDamaged error at a place of the template.
Error syntax_error(uint32_t line, uint32_t column, std::string_view what);

}  // namespace freehold::model::jinja
