#pragma once
// Models that are elsewhere, for the commands that reach them: what MODEL means, finding it, its
// bytes or its header. Nothing is contacted with --offline.

#include <memory>
#include <optional>
#include <string>

#include "cli/command.h"
#include "model/gguf/gguf.h"
#include "store/remote_pull.h"
#include "store/source/ask.h"
#include "store/source/reference.h"

namespace freehold::cli {

inline constexpr Option kPlainHttpOption{"--plain-http", 0, OptionKind::kFlag, "",
                                         "ask registries over http, without TLS"};

/// The reference that `text` is; nothing for names and paths. A file that is there wins over a
/// registry's name.
Result<std::optional<store::Reference>> remote_reference(Context& context, const std::string& text);

/// kRefused that names what was asked for, where --offline stands.
Status refuse_offline(const Arguments& arguments, const std::string& reference);

/// What asks hubs and registries, by --stall and --plain-http. Outlives the models that it finds.
class RemoteFinder {
 public:
  static Result<std::unique_ptr<RemoteFinder>> create(Context& context, const Arguments& arguments,
                                                      store::Observer& observer);

  /// The file that is meant and what is known of it. Contacts the hub or the registry; of an
  /// address nothing is known before it is opened.
  Result<store::RemoteModel> find(const store::Reference& reference);

 private:
  struct Passkey {};

 public:
  RemoteFinder(Passkey, Context& context, const Arguments& arguments,
               std::unique_ptr<io::HttpClient> client, store::SourceServices services)
      : context_(context),
        arguments_(arguments),
        client_(std::move(client)),
        services_(std::move(services)) {}

 private:
  void read_docker_config();

  Context& context_;
  const Arguments& arguments_;
  std::unique_ptr<io::HttpClient> client_;
  store::SourceServices services_;
};

/// The header of the model's file, read by ranges.
Result<std::unique_ptr<model::GgufModel>> open_remote_header(Context& context,
                                                             const Arguments& arguments,
                                                             const store::RemoteModel& model);

/// Whether a server has to be asked what the reference means; an address says it itself.
bool asks_first(const store::Reference& reference);

/// How servers are asked, by --stall, --connections and SSL_CERT_FILE.
Result<io::DownloadOptions> download_options(Context& context, const Arguments& arguments);

}  // namespace freehold::cli
