// `freehold verify`: reads a stored model again and compares it with its hash.

#include <fmt/format.h>

#include "cli/session.h"
#include "cli/store_observer.h"

namespace freehold::cli {

namespace {

Status run(Context& context, const Arguments& arguments) {
  const std::string& name = arguments.positional()[0];
  TerminalObserver observer(context);
  TRY(open_store(context).verify(name, observer));
  context.err.write(fmt::format("{} is what its hash says\n", name));
  return {};
}

}  // namespace

const Command& verify_command() {
  static constexpr Command kCommand{
      .name = "verify",
      .summary = "Check a stored model against its hash",
      .usage = "MODEL",
      .options = {},
      .description = "Exits 5 and names the places where the file is damaged.",
      .examples = "  freehold verify smollm2\n",
      .positional_min = 1,
      .positional_max = 1,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
