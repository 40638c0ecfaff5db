#include "io/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/check.h"
#include "io/transfer.h"

namespace freehold::io {

namespace {

constexpr int kTick_ms = 100;          // between two questions whether to go on
constexpr int kGraceTicks = 20;        // from SIGTERM to SIGKILL
constexpr size_t kOutputMax = 65'536;  // kept of what the program says

/// Both ends of a pipe, closed when left.
struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Status make() {
    if (::pipe2(ends, O_CLOEXEC) != 0) return system_error(errno, "make", "a pipe");
    return {};
  }
  void close_end(int end) {
    if (ends[end] >= 0) ::close(ends[end]);
    ends[end] = -1;
  }
};

/// What execvpe takes, made before the fork because the child may not allocate.
class Vectors {
 public:
  explicit Vectors(const ProcessCommand& command) : arguments_text_(command.arguments) {
    for (char** entry = ::environ; *entry != nullptr; ++entry) {
      const std::string_view text = *entry;
      bool replaced = false;
      for (const auto& [name, value] : command.environment) {
        replaced = replaced || text.starts_with(name + "=");
      }
      if (!replaced) environment_text_.emplace_back(text);
    }
    for (const auto& [name, value] : command.environment) {
      environment_text_.push_back(name + "=" + value);
    }
    for (std::string& text : arguments_text_) arguments_.push_back(text.data());
    for (std::string& text : environment_text_) environment_.push_back(text.data());
    arguments_.push_back(nullptr);
    environment_.push_back(nullptr);
  }
  char** arguments() { return arguments_.data(); }
  char** environment() { return environment_.data(); }

 private:
  std::vector<std::string> arguments_text_;
  std::vector<std::string> environment_text_;
  std::vector<char*> arguments_;
  std::vector<char*> environment_;
};

/// The child's side, from fork to exec: only calls that are safe there.
[[noreturn]] void become(Vectors& vectors, pid_t parent, int output, int failure) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // the parent died before the line above
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::signal(SIGINT, SIG_DFL);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::execvpe(vectors.arguments()[0], vectors.arguments(), vectors.environment());
  const int error = errno;
  const ssize_t told = ::write(failure, &error, sizeof(error));
  ::_exit(told == static_cast<ssize_t>(sizeof(error)) ? 127 : 126);
}

void keep_tail(std::string& output, std::string_view more) {
  output += more;
  if (output.size() > 2 * kOutputMax) output.erase(0, output.size() - kOutputMax);
}

/// Takes what the program has said so far; false at the end of its output.
bool drain(int descriptor, std::string& output) {
  char buffer[4096];
  while (true) {
    const ssize_t got = ::read(descriptor, buffer, sizeof(buffer));
    if (got > 0) {
      keep_tail(output, {buffer, static_cast<size_t>(got)});
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else {
      return got < 0 && errno == EAGAIN;
    }
  }
}

/// Whether the child is gone; `status` as waitpid says.
bool reaped(pid_t child, int& status) {
  const pid_t answer = ::waitpid(child, &status, WNOHANG);
  return answer == child || (answer < 0 && errno == ECHILD);
}

void stop(pid_t child) {
  int status = 0;
  ::kill(-child, SIGTERM);
  for (int tick = 0; tick < kGraceTicks; ++tick) {
    if (reaped(child, status)) {
      ::kill(-child, SIGKILL);  // children it may have left
      return;
    }
    ::poll(nullptr, 0, kTick_ms);
  }
  ::kill(-child, SIGKILL);
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
}

/// Reads output and asks `keep_going` until the child ends.
Result<ProcessOutcome> attend(pid_t child, int descriptor, const std::string& program,
                              const std::function<bool()>& keep_going) {
  ProcessOutcome outcome;
  int status = 0;
  bool open = true;
  while (true) {
    if (open) {
      pollfd waiting{descriptor, POLLIN, 0};
      ::poll(&waiting, 1, kTick_ms);
      open = drain(descriptor, outcome.output);
    } else {
      ::poll(nullptr, 0, kTick_ms / 10);
    }
    if (reaped(child, status)) break;
    if (!keep_going()) {
      stop(child);
      return Error{ErrorCode::kInterrupted, program + " was stopped", {}};
    }
  }
  if (open) drain(descriptor, outcome.output);
  if (outcome.output.size() > kOutputMax) {
    outcome.output.erase(0, outcome.output.size() - kOutputMax);
  }
  outcome.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return outcome;
}

class SystemProcesses final : public ProcessRunner {
 public:
  Result<ProcessOutcome> run(const ProcessCommand& command,
                             const std::function<bool()>& keep_going) override {
    CHECK(!command.arguments.empty());
    const std::string& program = command.arguments[0];
    Vectors vectors(command);
    Pipe output;
    Pipe failure;
    TRY(output.make());
    TRY(failure.make());
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) return system_error(errno, "start", program);
    if (child == 0) become(vectors, parent, output.ends[1], failure.ends[1]);
    ::setpgid(child, child);  // also here: whoever comes first
    output.close_end(1);
    failure.close_end(1);
    int error = 0;
    ssize_t told = 0;
    do {
      told = ::read(failure.ends[0], &error, sizeof(error));
    } while (told < 0 && errno == EINTR);
    if (told == static_cast<ssize_t>(sizeof(error))) {
      int status = 0;
      while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
      }
      return system_error(error, "start", program);
    }
    ::fcntl(output.ends[0], F_SETFL, O_NONBLOCK);
    return attend(child, output.ends[0], program, keep_going);
  }
};

}  // namespace

std::unique_ptr<ProcessRunner> make_system_processes() {
  return std::make_unique<SystemProcesses>();
}

}  // namespace freehold::io
