#pragma once
// Shows an answer as it comes: thoughts dimmed or hidden, and nothing in it that could command a
// terminal. Into a pipe or a file the bytes go as they are. One thread.

#include "cli/command.h"
#include "model/prompt/thinking.h"

namespace freehold::cli {

struct PrinterOptions {
  bool terminal = false;       // the sink is one
  bool dim = false;            // dim what is thought
  bool hide_thinking = false;  // leave it out
};

class AnswerPrinter {
 public:
  /// `out` outlives the printer.
  AnswerPrinter(TextSink& out, PrinterOptions options) : out_(out), options_(options) {}
  /// Before the first piece: whether the prompt began a thought.
  void begin(bool inside_thought) { splitter_ = model::ThinkingSplitter(inside_thought); }
  void operator()(std::string_view piece);
  /// Shows what is held back and ends the line; an answer without text shows nothing.
  void end();

 private:
  void show(const model::AnswerPart& part);
  void write(std::string_view text);

  TextSink& out_;
  PrinterOptions options_;
  model::ThinkingSplitter splitter_;
  bool ends_line_ = false;
  bool any_ = false;
};

/// How `context`'s output wants it.
PrinterOptions printer_options(const Context& context, bool hide_thinking);

}  // namespace freehold::cli
