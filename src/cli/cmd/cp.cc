// `freehold cp`: a second name for a model; nothing is copied on disk.

#include "cli/session.h"

namespace freehold::cli {

namespace {

Status run(Context& context, const Arguments& arguments) {
  return open_store(context).copy(arguments.positional()[0], arguments.positional()[1]);
}

}  // namespace

const Command& cp_command() {
  static constexpr Command kCommand{.name = "cp",
                                    .summary = "Give a model a second name",
                                    .usage = "MODEL NEW-NAME",
                                    .options = {},
                                    .description = "Both names share one file.",
                                    .examples = "  freehold cp smollm2 my-assistant\n",
                                    .positional_min = 2,
                                    .positional_max = 2,
                                    .run = run};
  return kCommand;
}

}  // namespace freehold::cli
