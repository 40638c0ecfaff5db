// `freehold verify`: reads a stored model again and compares it with its hash.

#include <fmt/format.h>

#include "cli/session.h"
#include "cli/store_observer.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {
    {"--all", 'a', OptionKind::kFlag, "", "every model in the store"},
};

Status run(Context& context, const Arguments& arguments) {
  const store::Store store = open_store(context);
  std::vector<std::string> names = arguments.positional();
  const bool all = TRY(arguments.flag("--all"));
  if (all == !names.empty()) {
    return Error{ErrorCode::kUsage, "verify: name the models, or all of them by --all", {}};
  }
  if (all) {
    const store::StoreListing listing = TRY(store.list());
    if (!listing.broken.empty()) return Error{ErrorCode::kDamaged, listing.broken[0], {}};
    for (const store::ModelRecord& record : listing.models) {
      names.push_back(store::short_text(record.name));
    }
  }
  // One that is damaged does not hide another.
  Status first;
  for (const std::string& name : names) {
    TerminalObserver observer(context);
    Status verified = store.verify(name, observer);
    if (verified.ok()) {
      context.err.write(fmt::format("{} is what its hash says\n", name));
    } else if (verified.error().code == ErrorCode::kInterrupted || names.size() == 1) {
      return verified;
    } else {
      context.err.write(error_text(verified.error()));
      if (first.ok()) first = Error{verified.error().code, "not every model is whole", {}};
    }
  }
  return first;
}

}  // namespace

const Command& verify_command() {
  static constexpr Command kCommand{
      .name = "verify",
      .summary = "Check a stored model against its hash",
      .usage = "MODEL…",
      .options = kOptions,
      .description = "Exits 5 and names the places where the file is damaged.",
      .examples = "  freehold verify smollm2\n  freehold verify --all\n",
      .positional_min = 0,
      .positional_max = 1000,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
