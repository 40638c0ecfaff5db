#pragma once
// Lines without an editor: for terminals that say they can do nothing (TERM=dumb).

#include "cli/command.h"
#include "cli/line/line_input.h"

namespace freehold::cli {

class PlainLines final : public LineInput {
 public:
  explicit PlainLines(Context& context) : context_(context) {}
  InputLine read(std::string_view prompt, const std::vector<std::string>& words) override;

 private:
  Context& context_;
};

}  // namespace freehold::cli
