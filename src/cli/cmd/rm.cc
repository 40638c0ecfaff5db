// `freehold rm`: takes names out of the store, and blobs that no other name has.

#include <fmt/format.h>

#include "base/text.h"
#include "cli/session.h"
#include "store/source/reference.h"

namespace freehold::cli {

namespace {

Status run(Context& context, const Arguments& arguments) {
  store::Store store = open_store(context);
  for (const std::string& name : arguments.positional()) {
    if (const auto reference = TRY(store::parse_reference(name))) {
      TRY(store.discard_pull(reference->text));
      context.err.write(fmt::format("what was fetched of {} is gone\n", base::printable(name)));
      continue;
    }
    TRY(store.remove(name));
    context.err.write(fmt::format("{} is gone from the store\n", name));
  }
  return {};
}

}  // namespace

const Command& rm_command() {
  static constexpr Command kCommand{.name = "rm",
                                    .summary = "Remove models from the store",
                                    .usage = "MODEL…",
                                    .options = {},
                                    .description =
                                        "A file that another name shares stays. Also discards "
                                        "an interrupted pull of that name or reference.",
                                    .examples = "  freehold rm smollm2\n",
                                    .positional_min = 1,
                                    .positional_max = 1000,
                                    .run = run};
  return kCommand;
}

}  // namespace freehold::cli
