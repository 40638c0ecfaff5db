#include "cli/chat/answer_printer.h"

#include "cli/line/text_width.h"

namespace freehold::cli {

PrinterOptions printer_options(const Context& context, bool hide_thinking) {
  return {.terminal = context.out_is_terminal,
          .dim = context.out_is_terminal && context.color,
          .hide_thinking = hide_thinking};
}

void AnswerPrinter::operator()(std::string_view piece) {
  for (const model::AnswerPart& part : splitter_.push(piece)) show(part);
  out_.flush();
}

void AnswerPrinter::end() {
  for (const model::AnswerPart& part : splitter_.finish()) show(part);
  if (!ends_line_ && any_) out_.write("\n");
  ends_line_ = false;
  out_.flush();
}

void AnswerPrinter::show(const model::AnswerPart& part) {
  const bool thought = part.kind != model::AnswerPart::Kind::kAnswer;
  if (thought && options_.hide_thinking) return;
  if (thought && options_.dim) out_.write("\x1b[2m");
  write(part.text);
  if (thought && options_.dim) out_.write("\x1b[0m");
}

void AnswerPrinter::write(std::string_view text) {
  if (text.empty()) return;
  out_.write(options_.terminal ? harmless_text(text) : std::string(text));
  ends_line_ = text.back() == '\n';
  any_ = true;
}

}  // namespace freehold::cli
