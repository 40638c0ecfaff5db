// `freehold help`: made from the same tables that parsing uses.

#include "cli/command.h"

namespace freehold::cli {

namespace {

Status run(Context& context, const Arguments& arguments) {
  if (arguments.positional().empty()) {
    context.out.write(help_text(context.columns));
    return {};
  }
  const std::string& name = arguments.positional()[0];
  const Command* command = find_command(name);
  if (command == nullptr) return unknown_command(name);
  context.out.write(help_text(*command, context.columns));
  return {};
}

}  // namespace

const Command& help_command() {
  static constexpr Command kCommand{.name = "help",
                                    .summary = "List the commands, or explain one",
                                    .usage = "[COMMAND]",
                                    .options = {},
                                    .description = {},
                                    .examples = "  freehold help run\n",
                                    .positional_max = 1,
                                    .run = run};
  return kCommand;
}

}  // namespace freehold::cli
