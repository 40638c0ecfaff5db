// The program: wires the machine's files, clock, streams and environment to the commands, in this
// one visible place, and turns the outcome into an exit code.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <vector>

#include "cli/config_file.h"
#include "cli/line/terminal_mode.h"
#include "cli/terminal.h"

namespace {

using namespace freehold::cli;  // NOLINT: main wires this room only
namespace base = freehold::base;
namespace io = freehold::io;
namespace store = freehold::store;

std::atomic<bool> interrupted{false};

void on_interrupt(int signal_number) {
  // The second time the user means it; but a chat goes on, and has /bye.
  if (interrupted.exchange(true) && !terminal_is_held()) {
    ::signal(signal_number, SIG_DFL);
    ::raise(signal_number);
  }
}

void install_interrupt() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
}

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  // Set to nothing is not set, as people write it to switch a variable off.
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

/// FREEHOLD_CONFIG, or `freehold/config.toml` in the XDG configuration folder.
std::string config_path() {
  if (const auto path = environment("FREEHOLD_CONFIG")) return *path;
  if (const auto folder = environment("XDG_CONFIG_HOME"); folder && folder->starts_with('/')) {
    return *folder + "/freehold/config.toml";
  }
  return environment("HOME").value_or("") + "/.config/freehold/config.toml";
}

int fail(TextSink& err, const freehold::Error& error) {
  err.write(error_text(error));
  return static_cast<int>(error.code);
}

int run(std::span<const std::string> words) {
  DescriptorSink out(STDOUT_FILENO);
  DescriptorSink err(STDERR_FILENO, DescriptorSink::Buffering::kNone);
  DescriptorSource in(STDIN_FILENO);
  const auto files = io::make_system_files();
  const auto processes = io::make_system_processes();
  const auto catalogue = store::Catalogue::built_in();
  base::SystemClock clock;
  Context context{*files, *processes, catalogue, out, err, in, clock, interrupted};
  context.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
  context.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  const std::string terminal = environment("TERM").value_or("dumb");
  context.color = context.err_is_terminal && terminal != "dumb" && !environment("NO_COLOR");
  context.edits_lines = context.err_is_terminal && terminal != "dumb" && in.is_terminal();
  context.columns = terminal_columns(context.out_is_terminal ? STDOUT_FILENO : STDERR_FILENO);
  context.environment = environment;
  const auto home = store::store_home([](const char* name) { return std::getenv(name); });
  if (!home.ok()) return fail(err, home.error());
  context.home = *home;
  context.config = config_path();
  const auto file = read_config_file(*files, context.config,
                                     environment("FREEHOLD_CONFIG").has_value(), is_option);
  if (!file.ok()) return fail(err, file.error());
  const int code = run_program(context, words, {environment, *file});
  out.flush();
  if (code != 0 || !out.failed()) return code;
  return fail(err,
              {freehold::ErrorCode::kFailed, "standard output could not be written whole", {}});
}

/// A descriptor from 0 to 2 that the caller closed would go to the next file opened.
void fill_standard_descriptors() {
  int descriptor = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  while (descriptor >= 0 && descriptor <= STDERR_FILENO) descriptor = ::dup(descriptor);
  if (descriptor > STDERR_FILENO) ::close(descriptor);
}

}  // namespace

int main(int count, char** words) {
  fill_standard_descriptors();
  install_interrupt();
  const std::vector<std::string> list(words + 1, words + count);
  return run(list);
}
