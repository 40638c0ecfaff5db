#include "server/server.h"

#include <algorithm>

namespace freehold::server {

Server::Server(Options options) : options_(std::move(options)) {}

Result<std::unique_ptr<Server>> Server::create(Options options, const ModelNames& names) {
  auto server = std::make_unique<Server>(std::move(options));
  Options& made = server->options_;
  server->host_ =
      TRY(Host::create({.files = made.files,
                        .clock = made.clock,
                        .pool = made.pool,
                        .account = made.account,
                        .metrics = server->metrics_,
                        .isa = made.isa,
                        .cache_type = made.cache_type,
                        .find = [&names](const std::string& name) { return names.find(name); },
                        .memory = made.memory,
                        .context = made.context,
                        .slots = made.slots,
                        .queue_max = made.queue_max,
                        .keep_ns = made.keep_ns}));
  server->services_ = std::make_unique<Services>(Services{
      *server->host_, made.clock, server->metrics_, [&names] { return names.list(); }, made.version,
      [server = server.get()] {
        const auto ready = server->ready();
        return ready.ok() && *ready;
      }});
  for (const std::string& name : made.pinned) {
    server->host_->pin(TRY(server->host_->open(name)));
  }
  server->http_ = TRY(HttpServer::create(
      std::move(made.http),
      [server = server.get()](Request request, std::shared_ptr<Exchange> exchange) {
        answer(*server->services_, server->options_.router, std::move(request),
               std::move(exchange));
      }));
  return server;
}

Result<bool> Server::ready() {
  if (draining_.load()) return false;
  if (const auto failure = host_->pin_failure()) return *failure;
  const auto loaded = host_->loaded();
  return std::all_of(options_.pinned.begin(), options_.pinned.end(), [&](const std::string& name) {
    return std::any_of(loaded.begin(), loaded.end(),
                       [&](const Host::LoadedInfo& one) { return one.name == name; });
  });
}

void Server::drain() {
  draining_ = true;
  http_->drain();
}

Server::~Server() {
  if (http_ == nullptr) return;
  drain();
  // The host first, so that everybody under way hears why; then the connections.
  host_->stop({ErrorCode::kInterrupted, "the server is stopping", "ask again when it is back"});
}

}  // namespace freehold::server
