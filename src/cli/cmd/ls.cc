// `freehold ls`: the models in the store, and with --all those that other programs have here.

#include <fmt/format.h>

#include <algorithm>

#include "base/calendar.h"
#include "base/text.h"
#include "cli/model_listing.h"
#include "cli/session.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {
    {"--all", 'a', OptionKind::kFlag, "",
     "with the models of Ollama, LM Studio, llama.cpp and Hugging Face's cache"},
    kJsonOption,
};

std::string listing_json(const store::StoreListing& listing, const store::ForeignListing& foreign) {
  std::string out;
  base::JsonWriter json(out);
  json.begin_array();
  for (const store::ModelRecord& record : listing.models) write_record(json, record);
  for (const store::ForeignModel& model : foreign.models) write_foreign(json, model);
  json.end_array();
  return out + '\n';
}

/// The time of a record as a day.
std::string day_of(int64_t seconds) {
  if (seconds <= 0) return "-";
  const base::Date date = base::date_of(seconds);
  return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

std::string listing_text(const store::StoreListing& listing, const store::ForeignListing& foreign) {
  size_t width = 4;
  for (const auto& record : listing.models) {
    width = std::max(width, store::short_text(record.name).size());
  }
  for (const auto& model : foreign.models) width = std::max(width, model.name.size());
  const auto row = [width](std::string_view name, std::string_view id, std::string_view size,
                           std::string_view added, std::string_view licence) {
    return fmt::format("{:{}}  {:12}  {:>9}  {:10}  {}\n", name, width, id, size, added, licence);
  };
  std::string out = row("NAME", "ID", "SIZE", "ADDED", "LICENCE");
  for (const auto& record : listing.models) {
    out += row(store::short_text(record.name), record.sha256.substr(0, 12),
               base::human_bytes(record.bytes), day_of(record.added_s), record.licence);
  }
  for (const auto& model : foreign.models) {
    out += row(model.name, model.sha256.empty() ? "-" : model.sha256.substr(0, 12),
               base::human_bytes(model.bytes), "-", "-");
  }
  return out;
}

Status run(Context& context, const Arguments& arguments) {
  const store::Store store = open_store(context);
  store::StoreListing listing = TRY(store.list());
  const bool all = TRY(arguments.flag("--all"));
  store::ForeignListing foreign = all ? store.list_foreign() : store::ForeignListing{};
  const auto& words = arguments.positional();
  if (!words.empty()) {
    std::erase_if(listing.models,
                  [&](const auto& record) { return !record.name.text().starts_with(words[0]); });
    std::erase_if(foreign.models,
                  [&](const auto& model) { return !model.name.starts_with(words[0]); });
  }
  if (TRY(arguments.flag("--json"))) {
    context.out.write(listing_json(listing, foreign));
  } else {
    if (listing.models.empty() && foreign.models.empty() && words.empty()) {
      context.err.write("The store is empty. 'freehold pull smollm2' fetches a small model.\n");
    }
    context.out.write(listing_text(listing, foreign));
  }
  for (const auto* broken : {&listing.broken, &foreign.broken}) {
    for (const std::string& line : *broken) context.err.write(fmt::format("note: {}\n", line));
  }
  return {};
}

}  // namespace

const Command& ls_command() {
  static constexpr Command kCommand{.name = "ls",
                                    .summary = "List the models in the store",
                                    .usage = "[BEGINNING]",
                                    .options = kOptions,
                                    .description = "With BEGINNING, those whose names begin so.",
                                    .examples = "  freehold ls --json\n  freehold ls --all\n",
                                    .positional_max = 1,
                                    .run = run};
  return kCommand;
}

}  // namespace freehold::cli
