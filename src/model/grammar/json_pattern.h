#pragma once
// Regular expressions as JSON Schema has them (ECMA-262), as far as they are regular, and the
// formats of strings, to expressions over the inside of a JSON string. What is not regular is
// refused by name: look-around, back references, word boundaries.

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "model/grammar/json_text.h"

namespace freehold::model {

/// Texts and how many characters they can have.
struct TextExpression {
  GrammarBuilder::ExpressionId inside{};
  uint64_t characters_min = 0;
  uint64_t characters_max = 0;  // UINT64_MAX: no end
  /// Where the text is so many of one kind of character, that character.
  std::optional<GrammarBuilder::ExpressionId> unit{};
};

/// Strings in which `pattern` matches somewhere. kRefused for what is not there, kDamaged for what
/// is no expression; both name it.
Result<TextExpression> pattern_text(GrammarBuilder& builder, JsonText& json,
                                    std::string_view pattern);

/// The strings of a format's name that are written in its usual way (a subset, where the format
/// allows oddities); nothing for a name that is not known.
std::optional<std::string_view> format_pattern(std::string_view format);

}  // namespace freehold::model
