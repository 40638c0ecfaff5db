#include "cli/remote.h"

#include <fmt/format.h>

#include "base/text.h"
#include "io/http_file.h"
#include "store/foreign/foreign.h"
#include "store/source/folder.h"
#include "store/source/hub.h"
#include "store/source/registry.h"

namespace freehold::cli {

namespace {

constexpr int64_t kStallSeconds = 30;
constexpr int64_t kConnections = 4;
constexpr uint64_t kDockerConfigBytesMax = uint64_t{1} << 20;

std::string token(Context& context) {
  const auto text = context.environment("FREEHOLD_TOKEN");
  return text ? "Bearer " + *text : std::string();
}

store::RemoteModel behind_address(Context& context, const store::Reference& reference) {
  store::RemoteModel model;
  model.reference = model.address = reference.text;
  const std::string_view path =
      std::string_view(reference.text).substr(0, reference.text.find_first_of("?#"));
  std::string_view last = path.substr(path.rfind('/') + 1);
  if (last.ends_with(".gguf")) last.remove_suffix(5);
  model.name = store::store_name_of(last);
  model.authorization = token(context);
  return model;
}

}  // namespace

Result<std::optional<store::Reference>> remote_reference(Context& context,
                                                         const std::string& text) {
  // What another program keeps is on this machine.
  if (store::is_foreign_name(text)) return std::optional<store::Reference>();
  const bool schemed = text.find("://") != std::string::npos || text.starts_with("hf:");
  if (!schemed && store::is_path(text) && context.files.stat(text).ok()) {
    return std::optional<store::Reference>();
  }
  return store::parse_reference(text);
}

Status refuse_offline(const Arguments& arguments, const std::string& reference) {
  if (!TRY(arguments.flag("--offline"))) return {};
  return Error{ErrorCode::kRefused,
               fmt::format("{} is elsewhere, and --offline forbids asking for it",
                           base::printable(reference, 200)),
               "leave --offline out, or import a file"};
}

Result<io::DownloadOptions> download_options(Context& context, const Arguments& arguments) {
  io::DownloadOptions options;
  options.http.stop = &context.interrupted;
  options.http.ca_file = context.environment("SSL_CERT_FILE").value_or("");
  options.http.stall_seconds =
      static_cast<int>(TRY(arguments.integer("--stall", 1, 3600, kStallSeconds)));
  options.connections =
      static_cast<size_t>(TRY(arguments.integer("--connections", 1, 16, kConnections)));
  return options;
}

bool asks_first(const store::Reference& reference) {
  return reference.kind != store::ReferenceKind::kAddress || store::is_peer_record(reference.text);
}

Result<std::unique_ptr<model::GgufModel>> open_remote_header(Context& context,
                                                             const Arguments& arguments,
                                                             const store::RemoteModel& model) {
  io::HttpOptions options = TRY(download_options(context, arguments)).http;
  options.authorization = model.authorization;
  const auto open = [&](const std::string& path) { return io::open_http_file(path, options); };
  return std::make_unique<model::GgufModel>(TRY(model::GgufModel::open(open, model.address)));
}

Result<std::unique_ptr<RemoteFinder>> RemoteFinder::create(Context& context,
                                                           const Arguments& arguments,
                                                           store::Observer& observer) {
  auto client = TRY(io::make_http_client(TRY(download_options(context, arguments)).http));
  store::SourceServices services{*client, context.environment, observer, [&context](int64_t ms) {
                                   return store::rest_unless_stopped(ms, &context.interrupted);
                                 }};
  services.plain_http = TRY(arguments.flag("--plain-http"));
  auto finder = std::make_unique<RemoteFinder>(Passkey{}, context, arguments, std::move(client),
                                               std::move(services));
  return finder;
}

void RemoteFinder::read_docker_config() {
  const auto folder = context_.environment("DOCKER_CONFIG");
  const auto home = context_.environment("HOME");
  if (!folder && !home) return;
  const std::string path = folder ? *folder + "/config.json" : *home + "/.docker/config.json";
  const auto text = io::read_small_file(context_.files, path, kDockerConfigBytesMax);
  if (text.ok()) services_.docker_config = *text;
}

Result<store::RemoteModel> RemoteFinder::find(const store::Reference& reference) {
  if (!asks_first(reference)) return behind_address(context_, reference);
  TRY(refuse_offline(arguments_, reference.text));
  if (reference.kind == store::ReferenceKind::kAddress) {
    return store::find_peer_model(services_, reference.text, token(context_));
  }
  if (reference.kind == store::ReferenceKind::kHub) {
    return store::find_hub_model(services_, reference);
  }
  read_docker_config();
  return store::find_registry_model(services_, reference);
}

}  // namespace freehold::cli
