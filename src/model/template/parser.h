#pragma once
// Tokens to a tree, by Jinja's grammar. Nesting is limited to 64 levels and a tree's height to 200,
// so neither parsing nor running can use up the stack.

#include <string_view>

#include "model/template/ast.h"

namespace freehold::model::jinja {

/// kDamaged with line and column for what is not Jinja; kRefused for statements and names that the
/// sandbox forbids (imports, includes, `__` attributes) and for nesting beyond the limits.
Result<NodePointer> parse_template(std::string_view source);

}  // namespace freehold::model::jinja
