// `freehold ls`: the models in the store.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/model_listing.h"
#include "cli/session.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {kJsonOption};

Status run(Context& context, const Arguments& arguments) {
  const store::StoreListing listing = TRY(open_store(context).list());
  std::string out;
  if (TRY(arguments.flag("--json"))) {
    base::JsonWriter json(out);
    json.begin_array();
    for (const store::ModelRecord& record : listing.models) write_record(json, record);
    json.end_array();
    out += '\n';
  } else {
    size_t width = 4;
    for (const auto& record : listing.models) {
      width = std::max(width, store::short_text(record.name).size());
    }
    out = fmt::format("{:{}}  {:12}  {:>9}  LICENCE\n", "NAME", width, "ID", "SIZE");
    for (const auto& record : listing.models) {
      out +=
          fmt::format("{:{}}  {:12}  {:>9}  {}\n", store::short_text(record.name), width,
                      record.sha256.substr(0, 12), base::human_bytes(record.bytes), record.licence);
    }
    if (listing.models.empty()) {
      context.err.write("The store is empty. 'freehold pull smollm2' fetches a small model.\n");
    }
  }
  context.out.write(out);
  for (const std::string& broken : listing.broken) {
    context.err.write(fmt::format("note: {}\n", broken));
  }
  return {};
}

}  // namespace

const Command& ls_command() {
  static constexpr Command kCommand{.name = "ls",
                                    .summary = "List the models in the store",
                                    .usage = {},
                                    .options = kOptions,
                                    .description = {},
                                    .examples = "  freehold ls --json\n",
                                    .run = run};
  return kCommand;
}

}  // namespace freehold::cli
