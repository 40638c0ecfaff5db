// `freehold completion`: what a shell needs to complete commands, options and the names of models,
// made from the same table that parsing uses. The scripts ask `freehold ls` for names.

#include <fmt/format.h>

#include "base/text.h"
#include "cli/command.h"

namespace freehold::cli {

namespace {

/// Models of the store, first column, without the header.
constexpr std::string_view kModels = "freehold ls 2>/dev/null | sed -e 1d -e 's/ .*//'";

/// For between single quotes.
std::string quoted(std::string_view text) {
  std::string out;
  for (const char byte : text) {
    if (byte == '\'') {
      out += "'\\''";
    } else {
      out += byte;
    }
  }
  return out;
}

std::string command_names() {
  std::string names;
  for (const Command* command : all_commands()) {
    names += fmt::format("{}{}", names.empty() ? "" : " ", command->name);
  }
  return names;
}

std::string option_names(const Command& command) {
  std::string names;
  for (const Option& option : command.options) {
    if (!option.available) continue;
    names += fmt::format("{}{}", names.empty() ? "" : " ", option.name);
  }
  return names;
}

std::string for_bash() {
  std::string out =
      "# Completion of freehold for bash: source <(freehold completion bash)\n"
      "_freehold() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} words=\n"
      "  COMPREPLY=()\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n";
  out += fmt::format("    COMPREPLY=($(compgen -W '{}' -- \"$current\"))\n", command_names());
  out +=
      "    return\n"
      "  fi\n"
      "  case ${COMP_WORDS[1]} in\n";
  for (const Command* command : all_commands()) {
    out += fmt::format("    {}) words='{}' ;;\n", command->name, option_names(*command));
  }
  out +=
      "  esac\n"
      "  if [[ $current == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  elif [ \"${COMP_WORDS[1]}\" = help ]; then\n";
  out += fmt::format("    COMPREPLY=($(compgen -W '{}' -- \"$current\"))\n", command_names());
  out += fmt::format(
      "  else\n"
      "    # The shell takes a name with a colon for two words.\n"
      "    COMPREPLY=($(compgen -W \"$({})\" -- \"$current\") $(compgen -f -- \"$current\"))\n"
      "  fi\n"
      "}}\n"
      "complete -o filenames -F _freehold freehold\n",
      kModels);
  return out;
}

std::string for_zsh() {
  std::string out =
      "#compdef freehold\n"
      "# Completion of freehold for zsh: source <(freehold completion zsh)\n"
      "_freehold() {\n"
      "  local -a subcommands flags names\n"
      "  subcommands=(\n";
  for (const Command* command : all_commands()) {
    out += fmt::format("    '{}:{}'\n", command->name, quoted(command->summary));
  }
  out +=
      "  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe command subcommands\n"
      "    return\n"
      "  fi\n"
      "  case $words[2] in\n";
  for (const Command* command : all_commands()) {
    out += fmt::format("    {})\n      flags=(\n", command->name);
    for (const Option& option : command->options) {
      if (!option.available) continue;
      out += fmt::format("        '{}:{}'\n", option.name, quoted(option.help));
    }
    out += "      ) ;;\n";
  }
  out += fmt::format(
      "  esac\n"
      "  if [[ $words[CURRENT] == -* ]]; then\n"
      "    _describe option flags\n"
      "  elif [[ $words[2] == help ]]; then\n"
      "    _describe command subcommands\n"
      "  else\n"
      "    names=(${{(f)\"$({})\"}})\n"
      "    names=(${{names//:/\\\\:}})\n"
      "    _describe model names\n"
      "    _files\n"
      "  fi\n"
      "}}\n"
      "if [[ $funcstack[1] == _freehold ]]; then _freehold \"$@\"; else compdef _freehold "
      "freehold; fi\n",
      kModels);
  return out;
}

std::string for_fish() {
  std::string out =
      "# Completion of freehold for fish: freehold completion fish | source\n"
      "complete -c freehold -n __fish_use_subcommand -f\n";
  for (const Command* command : all_commands()) {
    out += fmt::format("complete -c freehold -n __fish_use_subcommand -a {} -d '{}'\n",
                       command->name, quoted(command->summary));
  }
  for (const Command* command : all_commands()) {
    const std::string here = fmt::format("-n '__fish_seen_subcommand_from {}'", command->name);
    for (const Option& option : command->options) {
      if (!option.available) continue;
      out += fmt::format("complete -c freehold {} -l {}{} -d '{}'{}\n", here, option.name.substr(2),
                         option.letter != 0 ? fmt::format(" -s {}", option.letter) : "",
                         quoted(option.help), option.kind == OptionKind::kFlag ? "" : " -r");
    }
  }
  out += fmt::format("complete -c freehold -n '__fish_seen_subcommand_from help' -f -a '{}'\n",
                     command_names());
  out += fmt::format("complete -c freehold -n 'not __fish_use_subcommand' -a \"({})\"\n", kModels);
  return out;
}

Status run(Context& context, const Arguments& arguments) {
  const std::string& shell = arguments.positional()[0];
  if (shell == "bash") {
    context.out.write(for_bash());
  } else if (shell == "zsh") {
    context.out.write(for_zsh());
  } else if (shell == "fish") {
    context.out.write(for_fish());
  } else {
    return Error{ErrorCode::kUsage, fmt::format("no completion for {}", base::printable(shell)),
                 "there are bash, zsh and fish"};
  }
  return {};
}

}  // namespace

const Command& completion_command() {
  static constexpr Command kCommand{
      .name = "completion",
      .summary = "Print what a shell needs to complete commands, options and models",
      .usage = "bash|zsh|fish",
      .options = {},
      .description = {},
      .examples =
          "  source <(freehold completion bash)\n"
          "  freehold completion fish > ~/.config/fish/completions/freehold.fish\n",
      .positional_min = 1,
      .positional_max = 1,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
