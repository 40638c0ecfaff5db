#include "cli/manual.h"

#include <fmt/format.h>

#include "base/text.h"

namespace freehold::cli {

namespace {

constexpr std::string_view kAbout =
    "Freehold runs AI models on hardware you own, offline, with the same bits everywhere. Results "
    "go to standard output, everything else to standard error.";

constexpr std::string_view kSources =
    "Every option is also an environment variable and a key of the configuration file: --top-k is "
    "FREEHOLD_TOP_K, and top-k at the top of the file or in the table of a command's name. The "
    "command line wins over the environment, that over the file, and that over what the model's "
    "name asks for.";

struct Variable {
  std::string_view name;
  std::string_view meaning;
};

constexpr Variable kVariables[] = {
    {"FREEHOLD_HOME", "the folder of the store, keys and state; default: the XDG data folder"},
    {"FREEHOLD_CONFIG",
     "the configuration file; default: freehold/config.toml in the XDG "
     "configuration folder"},
    {"FREEHOLD_TOKEN", "the token sent to the server of an address that is pulled"},
    {"NO_COLOR", "set to anything: no colours"},
};

/// Text for man(7): a backslash, a dash, a dot or quote that would begin a request, and what is not
/// ASCII by its number, so that a page reads the same in every locale.
std::string roff(std::string_view text) {
  std::string out;
  bool begins_line = true;
  while (!text.empty()) {
    const base::DecodedRune rune = base::decode_utf8(text);
    const char c = text.front();
    text.remove_prefix(rune.length);
    if (rune.value >= 0x80) {
      out += fmt::format("\\[u{:04X}]", static_cast<uint32_t>(rune.value));
      begins_line = false;
      continue;
    }
    if (begins_line && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    begins_line = c == '\n';
  }
  return out;
}

std::string roff_title(std::string_view name) {
  std::string upper;
  for (const char c : name) {
    upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return fmt::format(".TH {} 1 \"\" \"freehold {}\" \"Freehold\"\n", roff(upper), FREEHOLD_VERSION);
}

std::string roff_options(const Command& command) {
  std::string out;
  for (const Option& option : command.options) {
    out += ".TP\n";
    if (option.letter != 0) out += fmt::format("\\fB\\-{}\\fR, ", option.letter);
    out += fmt::format("\\fB{}\\fR", roff(option.name));
    if (!option.value_name.empty()) out += fmt::format(" \\fI{}\\fR", roff(option.value_name));
    out += fmt::format("\n{}{}.\n", roff(option.help), option.available ? "" : " (not there yet)");
  }
  return out;
}

std::string roff_exit_codes() {
  std::string out = ".SH EXIT STATUS\n";
  for (const ExitCode& code : kExitCodes) {
    out += fmt::format(".TP\n.B {}\n{}\n", code.number, roff(code.meaning));
  }
  return out;
}

/// A sentence of help as a cell of a table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string usage_line(const Command& command) {
  return fmt::format("freehold {}{}{}{}", command.name, command.usage.empty() ? "" : " ",
                     command.usage, command.options.empty() ? "" : " [OPTIONS]");
}

}  // namespace

std::string man_page() {
  std::string out = roff_title("freehold");
  out += ".SH NAME\nfreehold \\- run AI models on hardware you own, offline\n";
  out += ".SH SYNOPSIS\n.B freehold\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR] ...\n";
  out += fmt::format(".SH DESCRIPTION\n{}\n.PP\n{}\n.SH COMMANDS\n", roff(kAbout), roff(kSources));
  for (const Command* command : all_commands()) {
    out += fmt::format(".TP\n.BR freehold\\-{} (1)\n{}.\n", roff(command->name),
                       roff(command->summary));
  }
  out += ".SH ENVIRONMENT\n";
  for (const Variable& variable : kVariables) {
    out += fmt::format(".TP\n.B {}\n{}.\n", variable.name, roff(variable.meaning));
  }
  return out + roff_exit_codes();
}

std::string man_page(const Command& command) {
  std::string out = roff_title(fmt::format("freehold-{}", command.name));
  out += fmt::format(".SH NAME\nfreehold\\-{} \\- {}\n", roff(command.name), roff(command.summary));
  out += fmt::format(".SH SYNOPSIS\n.B freehold {}\n{}{}\n", roff(command.name),
                     roff(command.usage), command.options.empty() ? "" : " [\\fIOPTIONS\\fR]");
  const std::string_view about =
      command.description.empty() ? command.summary : command.description;
  out += fmt::format(".SH DESCRIPTION\n{}{}\n", roff(about), about.ends_with('.') ? "" : ".");
  if (!command.options.empty()) {
    out += fmt::format(".SH OPTIONS\n{}.PP\n{}\n", roff_options(command), roff(kSources));
  }
  if (!command.examples.empty()) {
    out += fmt::format(".SH EXAMPLES\n.nf\n{}.fi\n", roff(command.examples));
  }
  return out + roff_exit_codes() + ".SH SEE ALSO\n.BR freehold (1)\n";
}

std::string markdown_index() {
  std::string out = fmt::format(
      "# Commands\n\nWritten by `freehold man --markdown --folder docs/commands` from the tables "
      "that parsing uses;\nedit those, not these.\n\n{}\n\n{}\n\n| command | does |\n|---|---|\n",
      kAbout, kSources);
  for (const Command* command : all_commands()) {
    out += fmt::format("| [{0}]({0}.md) | {1} |\n", command->name, cell(command->summary));
  }
  out += "\n| variable | is |\n|---|---|\n";
  for (const Variable& variable : kVariables) {
    out += fmt::format("| `{}` | {} |\n", variable.name, cell(variable.meaning));
  }
  out += "\n| exit code | means |\n|---|---|\n";
  for (const ExitCode& code : kExitCodes) {
    out += fmt::format("| {} | {} |\n", code.number, cell(code.meaning));
  }
  return out;
}

std::string markdown_page(const Command& command) {
  std::string out = fmt::format("# freehold {}\n\n{}.\n\n    {}\n", command.name, command.summary,
                                usage_line(command));
  if (!command.description.empty()) out += fmt::format("\n{}\n", command.description);
  if (!command.options.empty()) out += "\n| option | does |\n|---|---|\n";
  for (const Option& option : command.options) {
    out += fmt::format("| `{}{}{}{}` | {}{} |\n",
                       option.letter != 0 ? fmt::format("-{}, ", option.letter) : "", option.name,
                       option.value_name.empty() ? "" : " ", cell(option.value_name),
                       cell(option.help), option.available ? "" : " (not there yet)");
  }
  if (!command.examples.empty()) {
    out += fmt::format("\nExamples:\n\n```\n{}```\n", command.examples);
  }
  return out;
}

}  // namespace freehold::cli
