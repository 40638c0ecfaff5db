#pragma once
// Lines from a terminal, edited: reads its bytes, gives them to a LineEditor, and paints. What
// decides anything is in key_reader, line_editor and line_painter; here are the calls to the
// system. Borrows its descriptors; holds the terminal while it lives. One thread.

#include <atomic>
#include <memory>
#include <optional>

#include "cli/line/key_reader.h"
#include "cli/line/line_editor.h"
#include "cli/line/line_input.h"
#include "cli/line/line_painter.h"
#include "cli/line/terminal_mode.h"

namespace freehold::cli {

class TerminalLines final : public LineInput {
 public:
  /// Reads standard input and paints on standard error, which are one terminal. `interrupted` is
  /// set by who handles SIGINT.
  static Result<std::unique_ptr<LineInput>> create(std::atomic<bool>& interrupted);
  TerminalLines(TerminalHold hold, int in, int out, std::atomic<bool>& interrupted)
      : hold_(std::move(hold)), in_(in), out_(out), interrupted_(interrupted) {}

  InputLine read(std::string_view prompt, const std::vector<std::string>& words) override;
  void hold() override { hold_.set(TerminalHold::Mode::kQuiet); }
  void remember(std::string text) override { editor_.remember(std::move(text)); }

 private:
  /// Waits for keys; nothing where the terminal is gone.
  bool fill();
  void paint();
  void write(std::string_view bytes);
  /// What an event means to the reader; nothing where the line goes on.
  std::optional<InputLine> act(LineEditor::Event event);

  TerminalHold hold_;
  int in_;
  int out_;
  std::atomic<bool>& interrupted_;
  KeyReader reader_;
  LineEditor editor_;
  LinePainter painter_;
  std::vector<Key> keys_;  // read and not yet pressed, the next one last
};

}  // namespace freehold::cli
