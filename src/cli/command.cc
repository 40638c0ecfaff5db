#include "cli/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "cli/manual.h"

namespace freehold::cli {

#define FREEHOLD_COMMAND(name) const Command& name##_command();
#include "cli/commands.def"
#undef FREEHOLD_COMMAND

namespace {

/// Commands of docs/CLI.md whose rooms do not exist yet; named so that nobody thinks of a typing
/// error.
constexpr std::string_view kPlanned[] = {"ps",  "stop",    "say",      "listen", "agent", "flow",
                                         "key", "convert", "quantize", "launch", "model", "receipt",
                                         "log", "witness", "tpm",      "policy", "audit"};

/// `text` broken at spaces so that no line is wider than `columns`; every line after the first
/// begins with `indent` spaces.
std::string wrap(std::string_view text, size_t indent, size_t columns) {
  std::string out;
  size_t at = indent;
  while (!text.empty()) {
    const size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    if (at > indent && at + word.size() + 1 > columns) {
      out += '\n' + std::string(indent, ' ');
      at = indent;
    } else if (at > indent) {
      out += ' ';
      ++at;
    }
    out += word;
    at += word.size();
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
  }
  return out;
}

std::string option_text(const Option& option, size_t columns) {
  std::string head = "  ";
  head += option.letter != 0 ? fmt::format("-{}, ", option.letter) : std::string("    ");
  head += option.name;
  if (!option.value_name.empty()) head += fmt::format(" {}", option.value_name);
  constexpr size_t kColumn = 32;
  const std::string help =
      fmt::format("{}{}", option.help, option.available ? "" : " (not there yet)");
  if (columns < 60) return fmt::format("{}\n        {}\n", head, wrap(help, 8, columns));
  if (head.size() + 2 > kColumn) {
    return fmt::format("{}\n{:{}}{}\n", head, "", kColumn, wrap(help, kColumn, columns));
  }
  return fmt::format("{:{}}{}\n", head, kColumn, wrap(help, kColumn, columns));
}

}  // namespace

bool is_option(const std::string& command, const std::string& name) {
  for (const Command* entry : all_commands()) {
    if (!command.empty() && entry->name != command) continue;
    for (const Option& option : entry->options) {
      if (option.name.substr(2) == name) return true;
    }
  }
  return false;
}

Error unknown_command(std::string_view name) {
  if (std::find(std::begin(kPlanned), std::end(kPlanned), name) != std::end(kPlanned)) {
    return Error{ErrorCode::kUsage, fmt::format("'{}' is not there yet", name),
                 "'freehold help' lists what is"};
  }
  std::string_view nearest;
  size_t least = 3;
  for (const Command* command : all_commands()) {
    if (const size_t steps = base::edit_distance(command->name, name); steps < least) {
      least = steps;
      nearest = command->name;
    }
  }
  return Error{ErrorCode::kUsage, fmt::format("there is no command {}", base::printable(name)),
               nearest.empty() ? "'freehold help' lists the commands"
                               : fmt::format("did you mean {}?", nearest)};
}

namespace {

Status check_positional(const Command& command, const Arguments& arguments) {
  const size_t count = arguments.positional().size();
  if (count >= command.positional_min && count <= command.positional_max) return {};
  const char* what = count < command.positional_min ? "something is missing" : "too many words";
  return Error{ErrorCode::kUsage, fmt::format("{}: {}", command.name, what),
               fmt::format("usage: freehold {} {}", command.name, command.usage)};
}

Status run_command(Context& context, std::span<const std::string> words,
                   const ArgumentSources& sources) {
  if (words.empty()) {
    context.err.write(help_text(context.columns));
    return Error{ErrorCode::kUsage, "no command given", "try: freehold run smollm2 \"Hello\""};
  }
  std::string name = words[0];
  if (name == "-h" || name == "--help") name = "help";
  if (name == "-v" || name == "--version") name = "version";
  if (name == "list") name = "ls";
  const Command* command = find_command(name);
  if (command == nullptr) return unknown_command(name);
  const auto rest = words.subspan(1);
  const auto end = std::find(rest.begin(), rest.end(), "--");
  if (std::find(rest.begin(), end, "--help") != end || (!rest.empty() && rest[0] == "-h")) {
    context.out.write(help_text(*command, context.columns));
    return {};
  }
  const Arguments arguments = TRY(parse_arguments(command->name, command->options, rest, sources));
  TRY(check_positional(*command, arguments));
  return command->run(context, arguments);
}

}  // namespace

store::Store open_store(Context& context) {
  std::vector<store::ForeignFolder> foreign;
  if (context.environment) foreign = store::foreign_folders(context.environment);
  return store::Store::open(
      {context.files, context.processes, context.clock, context.catalogue, std::move(foreign)},
      context.home);
}

std::string server_socket_path(const Context& context) { return context.home + "/server.sock"; }

std::span<const Command* const> all_commands() {
  static const std::array kAll = {
#define FREEHOLD_COMMAND(name) &name##_command(),
#include "cli/commands.def"
#undef FREEHOLD_COMMAND
  };
  return kAll;
}

const Command* find_command(std::string_view name) {
  for (const Command* command : all_commands()) {
    if (command->name == name) return command;
  }
  return nullptr;
}

std::string help_text(uint32_t columns) {
  std::string text = fmt::format(
      "{}\n\nusage: freehold COMMAND [OPTIONS] …\n\n",
      wrap("Freehold runs AI models on hardware you own, offline, with the same bits everywhere.",
           0, columns));
  for (const Command* command : all_commands()) {
    text += fmt::format("  {:12}{}\n", command->name, wrap(command->summary, 14, columns));
  }
  std::string codes;
  for (const ExitCode& code : kExitCodes) {
    codes += fmt::format("{}{} {}", codes.empty() ? "" : ", ", code.number, code.name);
  }
  text += fmt::format(
      "\n{}\n", wrap(fmt::format("freehold help COMMAND explains one, freehold man COMMAND at "
                                 "length. Exit codes: {}.",
                                 codes),
                     0, columns));
  return text;
}

std::string help_text(const Command& command, uint32_t columns) {
  std::string text = fmt::format("{}\n\nusage: freehold {}{}{}{}\n", command.summary, command.name,
                                 command.usage.empty() ? "" : " ", command.usage,
                                 command.options.empty() ? "" : " [OPTIONS]");
  if (!command.description.empty())
    text += fmt::format("\n{}\n", wrap(command.description, 0, columns));
  if (!command.options.empty()) text += "\noptions:\n";
  for (const Option& option : command.options) text += option_text(option, columns);
  if (!command.options.empty()) {
    text += fmt::format(
        "\n{}\n", wrap("Every option is also an environment variable (--top-k: FREEHOLD_TOP_K) "
                       "and a key of the configuration file (top-k).",
                       0, columns));
  }
  if (!command.examples.empty()) text += fmt::format("\nexamples:\n{}", command.examples);
  return text;
}

std::string error_text(const Error& error) {
  std::string_view name;
  for (const ExitCode& code : kExitCodes) {
    if (code.number == static_cast<int>(error.code)) name = code.name;
  }
  std::string text =
      fmt::format("error: {} [{} {}]\n", error.message, static_cast<int>(error.code), name);
  if (!error.hint.empty()) text += fmt::format("  next: {}\n", error.hint);
  return text;
}

int run_program(Context& context, std::span<const std::string> words,
                const ArgumentSources& sources) {
  const Status status = run_command(context, words, sources);
  context.out.flush();
  if (status.ok()) return 0;
  if (status.error().code != ErrorCode::kInterrupted || !status.error().message.empty()) {
    context.err.write(error_text(status.error()));
  }
  return static_cast<int>(status.error().code);
}

}  // namespace freehold::cli
