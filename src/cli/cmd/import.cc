// `freehold import`: copies a GGUF file into the store under a name.

#include <fmt/format.h>

#include "base/text.h"
#include "cli/licence_gate.h"
#include "cli/session.h"
#include "cli/store_observer.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {kLicencePolicyOption};

Status run(Context& context, const Arguments& arguments) {
  const std::string& path = arguments.positional()[0];
  // A file that cannot be read as a model is refused before it is copied.
  NamedModel named;
  named.file = std::make_unique<model::GgufModel>(TRY(model::GgufModel::open(context.files, path)));
  TRY(admit_use(context, arguments, path, named));
  store::Store store = open_store(context);
  TerminalObserver observer(context);
  const auto record = TRY(store.import(path, arguments.positional()[1], observer));
  context.err.write(fmt::format("{} is in the store ({}, sha256 {}, licence {})\n",
                                store::short_text(record.name), base::human_bytes(record.bytes),
                                record.sha256.substr(0, 12), record.licence));
  return {};
}

}  // namespace

const Command& import_command() {
  static constexpr Command kCommand{.name = "import",
                                    .summary = "Copy a GGUF file into the store",
                                    .usage = "FILE NAME",
                                    .options = kOptions,
                                    .description = {},
                                    .examples = "  freehold import ./model.gguf my-model\n",
                                    .positional_min = 2,
                                    .positional_max = 2,
                                    .run = run};
  return kCommand;
}

}  // namespace freehold::cli
