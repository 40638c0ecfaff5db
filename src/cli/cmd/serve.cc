// `freehold serve`: the server in the foreground, until SIGTERM or Ctrl-C.

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

#include "base/text.h"
#include "cli/licence_gate.h"
#include "cli/session.h"
#include "server/notify.h"
#include "server/server.h"

namespace freehold::cli {

namespace {

constexpr int64_t kDefaultPort = 8484;
constexpr uint16_t kOllamaPort = 11434;
constexpr int64_t kContextMax = 1 << 24;
constexpr int64_t kSecond_ns = 1'000'000'000;
/// Answers under way get this long to end when the server is told to stop.
constexpr int64_t kDrain_ns = 30 * kSecond_ns;

constexpr Option kOptions[] = {
    {"--host", 0, OptionKind::kText, "ADDRESS",
     "address to listen on; default 127.0.0.1; others wait until there are keys"},
    {"--port", 0, OptionKind::kInteger, "PORT", "port to listen on, 0: a free one; default 8484"},
    {"--model", 0, OptionKind::kList, "MODEL",
     "serve this model only, loaded at once and kept; may be given again; default: every model in "
     "the store, loaded when it is asked for"},
    {"--also", 0, OptionKind::kText, "KIND", "ollama: listen on port 11434 too"},
    {"--context", 'c', OptionKind::kInteger, "N",
     "most tokens of a prompt and its answer; default 8192 or the model's own"},
    {"--parallel", 0, OptionKind::kInteger, "N", "answers of one model at a time; default 8"},
    {"--queue", 0, OptionKind::kInteger, "N", "requests that may wait; default 512"},
    {"--keep-alive", 0, OptionKind::kInteger, "SECONDS",
     "how long an idle model stays in memory, -1: for good; default 300"},
    {"--tls-certificate", 0, OptionKind::kText, "PEM", "speak TLS with this certificate chain"},
    {"--tls-key", 0, OptionKind::kText, "PEM", "the certificate's private key"},
    {"--allow-host", 0, OptionKind::kList, "NAME",
     "a name of this server beside localhost; may be given again"},
    {"--allow-origin", 0, OptionKind::kList, "ORIGIN",
     "a site whose pages may ask, as in https://app.example; may be given again"},
    kThreadsOption,
    kIsaOption,
    kKvOption,
    kMemoryOption,
    kLicencePolicyOption,
};

Error usage(std::string message, std::string hint) {
  return {ErrorCode::kUsage, std::move(message), std::move(hint)};
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Result<server::HttpOptions> http_options(Context& context, const Arguments& arguments) {
  server::HttpOptions http;
  const std::string host = arguments.text_or("--host", "127.0.0.1");
  if (!is_loopback(host)) {
    return Error{ErrorCode::kRefused,
                 fmt::format("--host {}: other machines could ask, and there are no keys yet",
                             base::printable(host)),
                 "listen on 127.0.0.1"};
  }
  http.certificate_path = arguments.text_or("--tls-certificate", "");
  http.private_key_path = arguments.text_or("--tls-key", "");
  if (http.certificate_path.empty() != http.private_key_path.empty()) {
    return usage("--tls-certificate and --tls-key come together", "give both or neither");
  }
  const bool tls = !http.certificate_path.empty();
  const auto port = static_cast<uint16_t>(TRY(arguments.integer("--port", 0, 65535, kDefaultPort)));
  http.listen.push_back({.host = host, .port = port, .tls = tls});
  if (const auto also = arguments.text("--also")) {
    if (*also != "ollama") return usage(fmt::format("--also is {}", *also), "it is ollama");
    http.listen.push_back({.host = host, .port = kOllamaPort});
  }
  TRY(context.files.make_directories(context.home));
  http.listen.push_back({.unix_path = server_socket_path(context)});
  return http;
}

/// SIGTERM and SIGINT for this thread to wait for, and for nobody to be interrupted by.
class StopSignals {
 public:
  StopSignals() {
    ::sigemptyset(&set_);
    ::sigaddset(&set_, SIGTERM);
    ::sigaddset(&set_, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~StopSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  bool wait(int64_t milliseconds) const {
    const timespec time{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
    return ::sigtimedwait(&set_, nullptr, &time) > 0;
  }
  void wait() const {
    int number = 0;
    ::sigwait(&set_, &number);
  }

 private:
  sigset_t set_{};
  sigset_t before_{};
};

Result<server::Server::Options> server_options(Context& context, const Arguments& arguments,
                                               Machine& machine) {
  auto http = TRY(http_options(context, arguments));
  const auto cache = TRY(cache_type(arguments, ops::CacheType::kF16));
  const auto budget = TRY(memory_budget(arguments));
  server::Server::Options options{.files = context.files,
                                  .clock = context.clock,
                                  .pool = *machine.pool,
                                  .account = machine.account,
                                  .isa = machine.isa,
                                  .cache_type = cache,
                                  .memory = budget.bytes,
                                  .version = FREEHOLD_VERSION,
                                  .pinned = {},
                                  .http = std::move(http),
                                  .router = {}};
  options.context = static_cast<uint64_t>(
      TRY(arguments.integer("--context", 1, kContextMax, static_cast<int64_t>(options.context))));
  options.slots = static_cast<size_t>(TRY(arguments.integer("--parallel", 1, 64, 8)));
  options.queue_max = static_cast<size_t>(TRY(arguments.integer("--queue", 1, 65536, 512)));
  options.keep_ns = TRY(arguments.integer("--keep-alive", -1, 1 << 30, 300)) * kSecond_ns;
  options.router.origins.hosts = arguments.list("--allow-host");
  options.router.origins.origins = arguments.list("--allow-origin");
  return options;
}

/// Until what is pinned is loaded, or the server is told to stop.
Status wait_until_ready(server::Server& server, const StopSignals& signals, bool& stopped) {
  constexpr int64_t kStep_ms = 20;
  while (!stopped && !TRY(server.ready())) stopped = signals.wait(kStep_ms);
  return {};
}

void drain(Context& context, server::Server& server, const StopSignals& signals) {
  constexpr int64_t kStep_ms = 20;
  context.err.write("stopping: answers under way get 30 s; a second signal ends them\n");
  server.drain();
  const int64_t until = context.clock.monotonic_ns() + kDrain_ns;
  while (server.busy() && context.clock.monotonic_ns() < until) {
    if (signals.wait(kStep_ms)) return;
  }
}

Status serve(Context& context, const Arguments& arguments) {
  const StopSignals signals;
  const auto machine = TRY(Machine::create(arguments));
  server::ModelNames names(
      context.files, [&context] { return open_store(context); },
      [&arguments](const std::string& name, const store::FoundModel& found) {
        return admit_licence(arguments, name, found.licence);
      });
  auto options = TRY(server_options(context, arguments, *machine));
  for (const std::string& model : arguments.list("--model")) {
    options.pinned.push_back(TRY(names.add(model)));
  }
  const std::string scheme = options.http.certificate_path.empty() ? "http" : "https";
  const std::string host = options.http.listen.front().host;
  const std::string supervisor =
      context.environment ? context.environment("NOTIFY_SOCKET").value_or("") : "";
  const auto server = TRY(server::Server::create(std::move(options), names));
  context.err.write(fmt::format("listening on {}://{}:{}\n", scheme,
                                host.find(':') == std::string::npos ? host : "[" + host + "]",
                                server->port()));
  bool stopped = false;
  TRY(wait_until_ready(*server, signals, stopped));
  server::notify_supervisor(supervisor, "READY=1");
  if (!stopped) signals.wait();
  server::notify_supervisor(supervisor, "STOPPING=1");
  drain(context, *server, signals);
  return {};
}

}  // namespace

const Command& serve_command() {
  static constexpr Command kCommand{
      .name = "serve",
      .summary = "Answer programs that speak OpenAI's, Anthropic's or Ollama's API",
      .usage = "",
      .options = kOptions,
      .description =
          "Listens on a loopback address and on the socket HOME/server.sock, for this user alone, "
          "until SIGTERM or Ctrl-C; answers under way then get 30 seconds. Ready when GET /health "
          "is 200; GET /openapi.json says what may be asked. All models together stay within "
          "--memory: one that is asked for takes the place of the one unused for longest.",
      .examples =
          "  freehold serve\n"
          "  freehold serve --model ./any.gguf --port 0 --memory 4G\n"
          "  freehold serve --also ollama --keep-alive -1\n",
      .positional_min = 0,
      .positional_max = 0,
      .run = serve};
  return kCommand;
}

}  // namespace freehold::cli
