#pragma once
// Runs a parsed template under a budget. One run, one thread; the tree is only read.

#include <string>
#include <utility>
#include <vector>

#include "model/template/ast.h"

namespace freehold::model::jinja {

/// Names a template starts with, and the time that strftime_now() tells, if any.
struct Context {
  std::vector<std::pair<std::string, Value>> variables;
  std::optional<int64_t> now;
};

/// The text of `body`. kRefused at a limit, kFailed where the template raises or goes wrong.
Result<std::string> run(const Node& body, const Context& context);

}  // namespace freehold::model::jinja
