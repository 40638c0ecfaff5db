#include "cli/chat/chat.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/chat/conversation.h"
#include "cli/line/line_editor.h"
#include "cli/line/text_width.h"

namespace freehold::cli {

namespace {

/// Options that /set may change: what only concerns answers. The rest is fixed when the model is
/// loaded.
constexpr std::string_view kSettable[] = {"--max-tokens",
                                          "--temperature",
                                          "--top-k",
                                          "--top-p",
                                          "--min-p",
                                          "--typical",
                                          "--repeat-penalty",
                                          "--repeat-last",
                                          "--frequency-penalty",
                                          "--presence-penalty",
                                          "--dry-multiplier",
                                          "--dry-base",
                                          "--dry-allowed-length",
                                          "--dry-last",
                                          "--dry-breaker",
                                          "--logit-bias",
                                          "--stop",
                                          "--seed",
                                          "--think",
                                          "--hide-thinking",
                                          "--history",
                                          "--verbose"};

constexpr std::string_view kCompactRequest =
    "Summarise our conversation so far, so that it can go on from the summary alone. Keep names, "
    "numbers, decisions and open questions. Write the summary only.";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.remove_suffix(1);
  return text;
}

const Option* settable_option(std::string_view name) {
  for (const Option& option : kGenerateOptions) {
    if (option.name.substr(2) != name) continue;
    const bool settable =
        std::find(std::begin(kSettable), std::end(kSettable), option.name) != std::end(kSettable);
    return settable ? &option : nullptr;
  }
  return nullptr;
}

Error no_setting(std::string_view name) {
  for (const Option& option : kGenerateOptions) {
    if (option.name.substr(2) == name) {
      return Error{ErrorCode::kUsage, fmt::format("{} is fixed when the model is loaded", name),
                   fmt::format("leave with /bye, then: freehold run MODEL {} …", option.name)};
    }
  }
  std::string_view nearest;
  size_t least = 3;
  for (const std::string_view option : kSettable) {
    const size_t steps = base::edit_distance(option.substr(2), name);
    if (steps < least) nearest = option.substr(2);
    least = std::min(least, steps);
  }
  return Error{
      ErrorCode::kUsage, fmt::format("there is no setting {}", base::printable(name)),
      nearest.empty() ? "/set alone lists them" : fmt::format("did you mean {}?", nearest)};
}

}  // namespace

/// The commands' own functions; Chat lets them in.
struct ChatCommands {
  static Status help(Chat& chat, std::string_view);
  static Status set(Chat& chat, std::string_view rest) { return chat.set(rest); }
  static Status set_system(Chat& chat, std::string_view rest) {
    chat.system_ = finished(rest);
    chat.start_afresh();
    chat.tell(chat.system_.empty() ? "There is no system prompt now; the conversation is fresh."
                                   : "The system prompt is set; the conversation is fresh.");
    return {};
  }
  static Status save(Chat& chat, std::string_view rest) {
    const std::string name(rest);
    TRY(save_conversation(chat.context_.files, chat.context_.home, name,
                          {chat.name_, chat.system_, chat.messages_}));
    chat.tell(fmt::format("Saved. /load {} brings it back.", name));
    return {};
  }
  static Status load(Chat& chat, std::string_view rest) { return chat.load(std::string(rest)); }
  static Status clear(Chat& chat, std::string_view) {
    chat.start_afresh();
    chat.tell("The conversation is forgotten.");
    return {};
  }
  static Status compact(Chat& chat, std::string_view) { return chat.compact(); }
  static Status show(Chat& chat, std::string_view rest) { return chat.show(rest); }
};

namespace {

constexpr ChatCommand kCommands[] = {
    {"/help", "", "this list", ChatCommands::help},
    {"/set", "[NAME VALUE]", "list what can be set, or set it; VALUE 'default' takes it back",
     ChatCommands::set},
    {"/system", "[TEXT]", "set the system prompt and start afresh; without TEXT there is none",
     ChatCommands::set_system},
    {"/save", "NAME", "keep the conversation under a name", ChatCommands::save},
    {"/load", "[NAME]", "go on with a kept one; without NAME lists them", ChatCommands::load},
    {"/clear", "", "forget the conversation", ChatCommands::clear},
    {"/compact", "", "have the conversation summarised and go on from the summary",
     ChatCommands::compact},
    {"/show", "[messages]", "the model, what is set, how full the context is; or the messages",
     ChatCommands::show},
    {"/bye", "", "leave", nullptr},
};

/// Shorter names that people know.
constexpr std::pair<std::string_view, std::string_view> kAlso[] = {
    {"/?", "/help"}, {"/exit", "/bye"}, {"/quit", "/bye"}};

}  // namespace

Status ChatCommands::help(Chat& chat, std::string_view) {
  for (const ChatCommand& command : kCommands) {
    const std::string head = fmt::format("{} {}", command.name, command.usage);
    if (chat.context_.columns < 60) {
      chat.tell(fmt::format("{}\n    {}", head, command.help));
    } else {
      chat.tell(fmt::format("{:22}{}", head, command.help));
    }
  }
  chat.tell(
      "A line that ends in \\ goes on in the next one; three quotes (\"\"\") begin and end a text "
      "of "
      "many lines.\nUp and Down go through what was typed, Ctrl-R searches it. Ctrl-C stops an "
      "answer, Ctrl-D leaves.");
  return {};
}

Chat::Chat(Context& context, Generator& generator, LineInput& lines, std::string name)
    : context_(context),
      generator_(generator),
      lines_(lines),
      name_(std::move(name)),
      system_(generator.system_prompt()) {
  for (const ChatCommand& command : kCommands) words_.emplace_back(command.name);
  start_afresh();
  load_typed();
}

void Chat::note(std::string_view text) { tell(fmt::format("note: {}", text)); }

void Chat::tell(std::string_view text) { context_.err.write(harmless_text(text) + "\n"); }

bool Chat::is_on(std::string_view option) const {
  const auto flag = generator_.arguments().flag(option);
  return flag.ok() && *flag;
}

void Chat::load_typed() {
  if (generator_.arguments().text_or("--history", "on") != "on") return;
  auto typed = load_history(context_.files, context_.home, LineEditor::kHistoryMax);
  if (!typed.ok()) return note(fmt::format("what was typed before: {}", typed.error().message));
  for (std::string& line : *typed) lines_.remember(std::move(line));
}

void Chat::remember(const std::string& line) {
  lines_.remember(line);
  // As in shells, a line that begins with a space is between us.
  if (line.front() == ' ' || generator_.arguments().text_or("--history", "on") != "on") return;
  const Status kept = append_history(context_.files, context_.home, line);
  if (!kept.ok()) note(fmt::format("what is typed is not kept: {}", kept.error().message));
}

Status Chat::loop() {
  context_.interrupted.store(false);
  tell(fmt::format("{}, a context of {} tokens. /help lists commands, /bye leaves.", name_,
                   generator_.context_length()));
  while (true) {
    const InputLine line = lines_.read(">>> ", words_);
    if (line.kind == InputLine::Kind::kEnd) return {};
    if (line.kind == InputLine::Kind::kInterrupted) {
      if (explained_) tell("/bye or Ctrl-D leaves.");
      explained_ = true;
      continue;
    }
    explained_ = false;
    if (trimmed(line.text).empty()) continue;
    remember(line.text);
    if (!TRY(act(line.text))) return {};
  }
}

Result<bool> Chat::act(const std::string& line) {
  if (trimmed(line).front() == '/') return command(trimmed(line));
  TRY(say(finished(line)));
  return true;
}

Result<bool> Chat::command(std::string_view line) {
  const size_t space = std::min(line.find_first_of(" \n"), line.size());
  std::string_view name = line.substr(0, space);
  const std::string_view rest = trimmed(line.substr(space));
  for (const auto& [other, meant] : kAlso) {
    if (name == other) name = meant;
  }
  std::string_view nearest;
  size_t least = 3;
  for (const ChatCommand& command : kCommands) {
    if (command.name == name) {
      if (command.run == nullptr) return false;
      const Status done = command.run(*this, rest);
      if (!done.ok()) tell(trimmed(error_text(done.error())));
      return true;
    }
    const size_t steps = base::edit_distance(command.name, name);
    if (steps < least) nearest = command.name;
    least = std::min(least, steps);
  }
  tell(nearest.empty()
           ? fmt::format("There is no {} here; /help lists what there is.", base::printable(name))
           : fmt::format("There is no {} here; did you mean {}?", base::printable(name), nearest));
  return true;
}

Result<Answer> Chat::answer(const std::vector<model::ChatMessage>& messages, uint64_t tokens_max) {
  lines_.hold();
  context_.interrupted.store(false);
  AnswerPrinter printer(context_.out, printer_options(context_, is_on("--hide-thinking")));
  bool begun = false;
  auto result = generator_.answer(
      messages,
      [&](std::string_view piece) {
        if (!begun) printer.begin(generator_.prompt_thinks());
        begun = true;
        printer(piece);
      },
      tokens_max);
  printer.end();
  write_notes(context_, generator_.model().weights());
  context_.interrupted.store(false);
  return result;
}

Status Chat::say(const std::string& line) {
  messages_.push_back({"user", line, {}});
  auto result = answer(messages_);
  if (!result.ok()) {
    // The conversation goes on without this message: too long is no reason to lose the rest.
    messages_.pop_back();
    if (result.error().code != ErrorCode::kRefused) return std::move(result).error();
    tell(trimmed(error_text(result.error())));
    if (messages_.size() > 1) tell("/compact makes room, /clear starts afresh.");
    return {};
  }
  messages_.push_back({"assistant", result->text, {}});
  if (result->finish == runtime::FinishReason::kContext) {
    tell(
        fmt::format("The context of {} tokens is full, and the answer ends here. /compact goes on "
                    "from a summary, /clear starts afresh.",
                    generator_.context_length()));
  }
  if (is_on("--verbose")) print_statistics(context_, *result, generator_);
  return {};
}

Status Chat::show_settings(Settings which) {
  const Arguments& arguments = generator_.arguments();
  for (const std::string_view option : kSettable) {
    if (which == Settings::kChanged && !arguments.has(option)) continue;
    std::string values;
    for (const std::string& value : arguments.list(option)) {
      values += fmt::format("{}{}", values.empty() ? "" : ", ", value);
    }
    tell(fmt::format("  {:20}{}", option.substr(2),
                     arguments.has(option) ? values : std::string("(default)")));
  }
  if (which == Settings::kAll || !system_.empty()) {
    tell(fmt::format("  {:20}{}", "system", system_.empty() ? "(none)" : system_));
  }
  return {};
}

Status Chat::set(std::string_view rest) {
  if (rest.empty()) return show_settings(Settings::kAll);
  const size_t space = std::min(rest.find_first_of(" \n"), rest.size());
  std::string_view name = rest.substr(0, space);
  const std::string value = finished(trimmed(rest.substr(space)));
  while (name.starts_with('-')) name.remove_prefix(1);
  if (name == "system") return ChatCommands::set_system(*this, value);
  const Option* option = settable_option(name);
  if (option == nullptr) return no_setting(name);
  if (value.empty()) {
    return Error{ErrorCode::kUsage, fmt::format("/set {} needs a value", name),
                 fmt::format("{}; 'default' takes it back", option->help)};
  }
  std::vector<std::string> values{value};
  if (value == "default") values.clear();
  if (option->kind == OptionKind::kFlag && value != "default") {
    Arguments probe;
    probe.set(option->name, values);
    TRY(probe.flag(option->name));
  }
  if (name == "history" && value != "on" && value != "off" && value != "default") {
    return Error{ErrorCode::kUsage, fmt::format("history is {}", base::printable(value)),
                 "it is on or off"};
  }
  TRY(generator_.set_option(option->name, std::move(values)));
  tell(fmt::format("{} is {} now.", name, value));
  return {};
}

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

Status Chat::load(const std::string& name) {
  if (name.empty()) {
    const auto names = saved_conversations(context_.files, context_.home);
    if (names.empty()) tell("Nothing is saved. /save NAME keeps this conversation.");
    for (const std::string& saved : names) tell("  " + saved);
    return {};
  }
  Conversation loaded = TRY(load_conversation(context_.files, context_.home, name));
  system_ = std::move(loaded.system);
  messages_ = std::move(loaded.messages);
  tell(fmt::format("Loaded: {} messages.", messages_.size()));
  if (loaded.model != name_) {
    note(fmt::format("it was held with {}", base::printable(loaded.model)));
  }
  return {};
}

/// Summarises as much of the conversation as leaves room for a summary; what came after that stays
/// as it is, so that nothing is lost silently.
Status Chat::compact() {
  const size_t first = generator_.first_messages(system_).size();
  const uint64_t room = std::max<uint64_t>(generator_.context_length() / 4, 1);
  size_t end = messages_.size();
  std::vector<model::ChatMessage> asked;
  for (; end > first; end -= std::min<size_t>(2, end - first)) {
    asked.assign(messages_.begin(), messages_.begin() + static_cast<ptrdiff_t>(end));
    asked.push_back({"user", std::string(kCompactRequest), {}});
    if (TRY(generator_.prompt_length(asked)) + room <= generator_.context_length()) break;
  }
  if (end <= first) {
    return Error{ErrorCode::kRefused,
                 messages_.size() <= first ? "there is nothing to summarise yet"
                                           : "even the first exchange leaves no room for a summary",
                 messages_.size() <= first ? "say something first" : "/clear starts afresh"};
  }
  const Answer summary = TRY(answer(asked, room));
  std::string text = summary.text;
  if (const size_t thought = text.rfind("</think>"); thought != std::string::npos) {
    text.erase(0, thought + 8);
  }
  text = trimmed(text);
  if (summary.interrupted || text.empty()) {
    tell("There is no summary; the conversation is as it was.");
    return {};
  }
  std::vector<model::ChatMessage> kept = generator_.first_messages(system_);
  kept.push_back({"user", "Summarise our conversation so far.", {}});
  kept.push_back({"assistant", std::move(text), {}});
  const size_t rest = messages_.size() - end;
  kept.insert(kept.end(), messages_.begin() + static_cast<ptrdiff_t>(end), messages_.end());
  messages_ = std::move(kept);
  tell(fmt::format("The conversation goes on from this summary{}: {} of {} tokens.",
                   rest == 0 ? "" : fmt::format(" and the last {} messages", rest),
                   TRY(generator_.prompt_length(messages_)), generator_.context_length()));
  return {};
}

Status Chat::show(std::string_view what) {
  if (what == "messages") {
    for (const model::ChatMessage& message : messages_) {
      tell(fmt::format("[{}] {}", message.role, message.content));
    }
    return {};
  }
  if (!what.empty()) {
    return Error{ErrorCode::kUsage, fmt::format("/show has no {}", base::printable(what)),
                 "/show, or /show messages"};
  }
  const uint64_t used = messages_.empty() ? 0 : TRY(generator_.prompt_length(messages_));
  tell(fmt::format("model    {}\nmessages {}\ncontext  {} of {} tokens\nmemory   {} held", name_,
                   messages_.size(), used, generator_.context_length(),
                   base::human_bytes(generator_.memory_held())));
  return show_settings(Settings::kChanged);
}

}  // namespace freehold::cli
