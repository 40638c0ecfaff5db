// `freehold run`: one answer on stdout, or a chat in the terminal.

#include <fmt/format.h>

#include "base/random.h"
#include "base/text.h"
#include "cli/generate.h"
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

/// The text to answer: PROMPT, standard input, or both (input first).
Result<std::string> prompt_text(Context& context, const Arguments& arguments) {
  const auto& words = arguments.positional();
  const bool given = words.size() > 1;
  const bool dash = given && words[1] == "-";
  if (dash || !given) return context.in.read_all(kPromptBytesMax);
  if (context.in.is_terminal() || !context.in.has_data_now()) return words[1];
  const std::string piped = TRY(context.in.read_all(kPromptBytesMax));
  return piped.empty() ? words[1] : piped + "\n" + words[1];
}

/// Writes pieces of the answer as they come.
class Printer {
 public:
  explicit Printer(TextSink& out) : out_(out) {}
  void operator()(std::string_view piece) {
    if (piece.empty()) return;
    out_.write(piece);
    out_.flush();
    ends_line_ = piece.back() == '\n';
    any_ = true;
  }
  /// Ends what was shown; an answer that stopped before its first text shows nothing.
  void end_line() {
    if (!ends_line_ && any_) out_.write("\n");
    ends_line_ = false;
    out_.flush();
  }

 private:
  TextSink& out_;
  bool ends_line_ = false;
  bool any_ = false;
};

void print_statistics(Context& context, const Answer& answer, const Generator& generator) {
  context.err.write(fmt::format("prefill {} tokens, {:.2f} tokens/s\n", answer.prefill_tokens,
                                answer.prefill_tokens_per_second()));
  context.err.write(fmt::format("decode {} tokens, {:.2f} tokens/s\n", answer.decode_tokens,
                                answer.decode_tokens_per_second()));
  context.err.write(fmt::format("first token after {:.3f} s, seed {}, stopped by {}\n",
                                answer.first_token_seconds, generator.seed(), answer.why()));
  context.err.write(fmt::format("memory: {} held, {} resident at most\n",
                                base::human_bytes(generator.memory_held()),
                                base::human_bytes(device::peak_resident_bytes())));
  context.err.write(streaming_lines(generator.plan(), generator.model().weights()));
}

Status answer_once(Context& context, const Arguments& arguments, Generator& generator) {
  std::vector<model::ChatMessage> messages = generator.first_messages(generator.system_prompt());
  const std::string prompt = TRY(prompt_text(context, arguments));
  if (prompt.empty()) {
    return Error{ErrorCode::kUsage, "run: the prompt is empty",
                 "give PROMPT, or text on standard input"};
  }
  messages.push_back({"user", prompt, {}});
  Printer printer(context.out);
  const Answer answer =
      TRY(generator.answer(messages, [&](std::string_view piece) { printer(piece); }));
  printer.end_line();
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

/// What a terminal in canonical mode keeps of one line (N_TTY_BUF_SIZE of Linux, less the newline).
constexpr size_t kTerminalLineMax = 4095;

constexpr std::string_view kChatHelp =
    "/clear       forget the conversation\n"
    "/system TEXT set the system prompt and start afresh\n"
    "/help        this list\n"
    "/bye         leave\n"
    "Ctrl-C stops an answer.\n";

/// The lines a person types until /bye or the end of the input.
class Chat {
 public:
  Chat(Context& context, const Arguments& arguments, Generator& generator)
      : context_(context),
        arguments_(arguments),
        generator_(generator),
        system_(generator.system_prompt()) {
    clear();
  }

  Status loop() {
    context_.interrupted.store(false);
    while (true) {
      context_.err.write(">>> ");
      const auto line = context_.in.read_line();
      if (context_.interrupted.exchange(false)) {
        context_.err.write("\n/bye leaves.\n");
        continue;
      }
      if (!line || *line == "/bye" || *line == "/exit") return {};
      if (line->empty()) continue;
      if (line->size() >= kTerminalLineMax) {
        context_.err.write(
            "The terminal hands over 4095 bytes of a line and drops the rest, so this one was not "
            "asked. A longer text can come through a pipe or a file.\n");
        continue;
      }
      if (line->front() == '/') {
        command(*line);
        continue;
      }
      TRY(say(*line));
    }
  }

 private:
  void clear() { messages_ = generator_.first_messages(system_); }

  void command(const std::string& line) {
    if (line == "/clear") {
      clear();
      context_.err.write("The conversation is forgotten.\n");
    } else if (line == "/system" || line.starts_with("/system ")) {
      system_ = line.size() > 8 ? line.substr(8) : std::string();
      clear();
      context_.err.write(system_.empty()
                             ? "There is no system prompt now.\n"
                             : "The system prompt is set; the conversation is fresh.\n");
    } else if (line == "/compact" || line == "/save" || line == "/load" || line == "/set" ||
               line == "/show") {
      context_.err.write(fmt::format("{} is not there yet.\n", line));
    } else if (line == "/help" || line == "/?") {
      context_.err.write(kChatHelp);
    } else {
      context_.err.write(fmt::format("There is no {} here; /help lists what there is.\n", line));
    }
  }

  Status say(const std::string& line) {
    messages_.push_back({"user", line, {}});
    Printer printer(context_.out);
    auto result = generator_.answer(messages_, [&](std::string_view piece) { printer(piece); });
    printer.end_line();
    write_notes(context_, generator_.model().weights());
    if (!result.ok()) {
      // The conversation goes on without this message: too long is no reason to lose the rest.
      messages_.pop_back();
      if (result.error().code != ErrorCode::kRefused) return std::move(result).error();
      context_.err.write(error_text(result.error()));
      return {};
    }
    messages_.push_back({"assistant", result->text, {}});
    context_.interrupted.store(false);
    if (result->finish == runtime::FinishReason::kContext) {
      context_.err.write(fmt::format("The context of {} tokens is full. /clear starts afresh.\n",
                                     generator_.context_length()));
    }
    if (TRY(arguments_.flag("--verbose"))) print_statistics(context_, *result, generator_);
    return {};
  }

  Context& context_;
  const Arguments& arguments_;
  Generator& generator_;
  std::string system_;
  std::vector<model::ChatMessage> messages_;
};

Status run(Context& context, const Arguments& arguments) {
  TRY(refuse_speculation(arguments));
  const auto machine = TRY(Machine::create(arguments));
  const auto generator =
      TRY(Generator::create(context, arguments, arguments.positional()[0], *machine));
  if (arguments.positional().size() == 1 && context.in.is_terminal()) {
    return Chat(context, arguments, *generator).loop();
  }
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
          "gets a chat and a pipe is read whole. The answer goes to stdout, everything else "
          "to stderr.",
      .examples =
          "  freehold run smollm2 \"Why is the sky blue?\"\n"
          "  freehold run ./any.gguf --raw -n 64 --temperature 0 \"Once upon a time\"\n"
          "  freehold run smollm2 \"Summarise this.\" < report.txt\n",
      .positional_min = 1,
      .positional_max = 2,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
