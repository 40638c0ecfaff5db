#pragma once
// Where a chat's lines come from: a terminal with an editor (line/terminal_lines.h), or lines as
// they are (PlainLines) where the terminal can do no more. One thread.

#include <string>
#include <string_view>
#include <vector>

namespace freehold::cli {

struct InputLine {
  enum class Kind { kText, kInterrupted, kEnd };
  Kind kind = Kind::kText;
  std::string text = {};  ///< of several lines where the person wrote several
};

class LineInput {
 public:
  virtual ~LineInput() = default;
  /// Asks for a line after `prompt`. `words` are what the first word may be completed to.
  virtual InputLine read(std::string_view prompt, const std::vector<std::string>& words) = 0;
  /// What is typed from now to the next read() is kept for it and not shown, where that can be.
  virtual void hold() {}
  /// Remembers a line for the keys that go back to it.
  virtual void remember(std::string) {}
};

}  // namespace freehold::cli
