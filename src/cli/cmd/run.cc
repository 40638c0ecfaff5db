// `freehold run`: one answer on stdout, or a chat in the terminal.

#include <fmt/format.h>

#include "base/text.h"
#include "cli/chat/chat.h"
#include "cli/generate.h"
#include "cli/line/plain_lines.h"
#include "cli/line/terminal_lines.h"
#include "cli/session.h"

namespace freehold::cli {

namespace {

constexpr uint64_t kPromptBytesMax = uint64_t{256} << 20;

Status refuse_speculation(const Arguments& arguments) {
  const std::string kind = arguments.text_or("--speculate", "off");
  if (kind == "off" || kind == "auto") return {};
  return Error{ErrorCode::kUsage, fmt::format("run: --speculate {} is not there yet", kind),
               "leave it out; the answer would be the same"};
}

/// PROMPT, standard input, or both (input first).
Result<std::string> typed_text(Context& context, const Arguments& arguments) {
  const auto& words = arguments.positional();
  const bool given = words.size() > 1;
  const bool dash = given && words[1] == "-";
  if (dash || !given) return context.in.read_all(kPromptBytesMax);
  if (context.in.is_terminal() || !context.in.has_data_now()) return words[1];
  const std::string piped = TRY(context.in.read_all(kPromptBytesMax));
  return piped.empty() ? words[1] : piped + "\n" + words[1];
}

/// The texts of --file, a line end after each.
Result<std::string> file_texts(Context& context, const Arguments& arguments) {
  std::string text;
  for (const std::string& path : arguments.list("--file")) {
    text += TRY(io::read_small_file(context.files, path, kPromptBytesMax));
    if (!text.ends_with('\n')) text += '\n';
    if (text.size() > kPromptBytesMax) {
      return Error{ErrorCode::kRefused, "the files of --file are too long together",
                   fmt::format("at most {} are read", base::human_bytes(kPromptBytesMax))};
    }
  }
  return text;
}

/// The text to answer: files, standard input and PROMPT, in that order, as far as they are given.
Result<std::string> prompt_text(Context& context, const Arguments& arguments) {
  const std::string files = TRY(file_texts(context, arguments));
  const bool alone = arguments.positional().size() == 1;
  if (alone && !files.empty() && context.in.is_terminal()) return files;
  const std::string typed = TRY(typed_text(context, arguments));
  return files.empty() ? typed : files + typed;
}

Status answer_once(Context& context, const Arguments& arguments, Generator& generator) {
  std::vector<model::ChatMessage> messages = generator.first_messages(generator.system_prompt());
  const std::string prompt = TRY(prompt_text(context, arguments));
  if (prompt.empty()) {
    return Error{ErrorCode::kUsage, "run: the prompt is empty",
                 "give PROMPT, or text on standard input"};
  }
  messages.push_back({"user", prompt, {}});
  AnswerPrinter printer(context.out,
                        printer_options(context, TRY(arguments.flag("--hide-thinking"))));
  bool begun = false;
  const Answer answer = TRY(generator.answer(messages, [&](std::string_view piece) {
    if (!begun) printer.begin(generator.prompt_thinks());
    begun = true;
    printer(piece);
  }));
  printer.end();
  write_notes(context, generator.model().weights());
  if (TRY(arguments.flag("--verbose"))) print_statistics(context, answer, generator);
  if (answer.text.empty() && !answer.interrupted) context.out.write("\n");
  if (answer.interrupted) return Error{ErrorCode::kInterrupted, {}, {}};
  if (answer.finish == runtime::FinishReason::kContext) {
    context.err.write(fmt::format("note: the context of {} tokens is full; the answer ends here\n",
                                  generator.context_length()));
  }
  return {};
}

Status chat(Context& context, Generator& generator, const std::string& name) {
  std::unique_ptr<LineInput> lines;
  if (context.edits_lines) lines = TRY(TerminalLines::create(context.interrupted));
  if (lines == nullptr) lines = std::make_unique<PlainLines>(context);
  return Chat(context, generator, *lines, name).loop();
}

Status run(Context& context, const Arguments& arguments) {
  TRY(refuse_speculation(arguments));
  const std::string history = arguments.text_or("--history", "on");
  if (history != "on" && history != "off") {
    return Error{ErrorCode::kUsage, fmt::format("--history is {}", base::printable(history)),
                 "it is on or off"};
  }
  const auto machine = TRY(Machine::create(arguments));
  const auto generator =
      TRY(Generator::create(context, arguments, arguments.positional()[0], *machine));
  const bool chats = arguments.positional().size() == 1 && context.in.is_terminal() &&
                     arguments.list("--file").empty();
  if (chats) return chat(context, *generator, arguments.positional()[0]);
  return answer_once(context, arguments, *generator);
}

}  // namespace

const Command& run_command() {
  static constexpr Command kCommand{
      .name = "run",
      .summary = "Chat with a model, or answer one prompt",
      .usage = "MODEL [PROMPT]",
      .options = kGenerateOptions,
      .description =
          "MODEL is a name in the store or a path to a GGUF file. Without PROMPT a terminal "
          "gets a chat (/help lists its commands) and a pipe is read whole; with one, what stands "
          "ready on standard input and in --file comes before it. The answer goes to stdout, "
          "everything else to stderr.",
      .examples =
          "  freehold run smollm2 \"Why is the sky blue?\"\n"
          "  freehold run ./any.gguf --raw -n 64 --temperature 0 \"Once upon a time\"\n"
          "  freehold run smollm2 \"Summarise this.\" < report.txt\n"
          "  freehold run smollm2 --file a.md --file b.md \"What differs?\"\n",
      .positional_min = 1,
      .positional_max = 2,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
