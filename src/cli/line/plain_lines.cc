#include "cli/line/plain_lines.h"

#include "cli/line/line_editor.h"
#include "cli/line/text_width.h"

namespace freehold::cli {

namespace {

/// What a terminal in canonical mode keeps of one line (N_TTY_BUF_SIZE of Linux, less the newline).
constexpr size_t kTerminalLineMax = 4095;

}  // namespace

InputLine PlainLines::read(std::string_view prompt, const std::vector<std::string>&) {
  std::string text;
  while (true) {
    context_.err.write(text.empty() ? prompt : "... ");
    auto line = context_.in.read_line();
    if (context_.interrupted.exchange(false)) {
      context_.err.write("\n");
      return {InputLine::Kind::kInterrupted};
    }
    if (!line) return {InputLine::Kind::kEnd};
    if (line->size() >= kTerminalLineMax) {
      context_.err.write(
          "The terminal hands over 4095 bytes of a line and drops the rest, so this one was not "
          "asked. A longer text can come through a pipe or a file.\n");
      text.clear();
      continue;
    }
    text += clean_text(*line);
    if (!continues(text) || text.size() > LineEditor::kTextBytesMax) break;
    text = continued(text);
  }
  return {InputLine::Kind::kText, std::move(text)};
}

}  // namespace freehold::cli
