#pragma once
// The whole server put together: names, host, routes, listeners. One owner; it stops in the order
// that leaves nobody without an answer.

#include <memory>
#include <string>
#include <vector>

#include "server/api/router.h"
#include "server/http/http_server.h"
#include "server/model_names.h"

namespace freehold::server {

class Server {
 public:
  struct Options {
    io::FileSystem& files;
    base::Clock& clock;
    device::WorkerPool& pool;
    device::MemoryAccount& account;
    device::Isa isa = device::Isa::kScalar;
    ops::CacheType cache_type = ops::CacheType::kF16;
    uint64_t memory = runtime::Budget::kUnlimited;
    uint64_t context = 8192;
    size_t slots = 8;
    size_t queue_max = 512;
    int64_t keep_ns = 0;  // negative: for good
    std::string version;
    std::vector<std::string> pinned;  // names that are loaded at once and stay
    HttpOptions http;
    RouterOptions router;
  };

  /// Listens, and begins to load what is pinned. `names` outlives the server.
  static Result<std::unique_ptr<Server>> create(Options options, const ModelNames& names);
  /// Half made: create() is the way in.
  explicit Server(Options options);
  ~Server();

  uint16_t port() const { return http_->port(); }
  /// Whether what is pinned has been loaded; kFailed and so on where it cannot be.
  Result<bool> ready();
  /// Takes no more requests; those under way go on.
  void drain();
  bool busy() const { return http_->busy(); }

 private:
  Options options_;
  Metrics metrics_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<HttpServer> http_;
  std::atomic<bool> draining_{false};
};

}  // namespace freehold::server
