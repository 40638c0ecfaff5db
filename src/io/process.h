#pragma once
// Running another program to its end, without a shell: arguments as a list, output captured,
// stoppable. The system's runner and a scripted twin. Not for services that stay, and nothing is
// sent to the program's standard input. One call a thread; the calling thread must outlive the
// call.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace freehold::io {

struct ProcessCommand {
  /// The program (looked up in PATH unless it has a slash) and its arguments.
  std::vector<std::string> arguments;
  /// Set on top of this process's own environment, which passes through.
  std::vector<std::pair<std::string, std::string>> environment;
};

struct ProcessOutcome {
  int exit_code = 0;   ///< 128 + signal where a signal ended it, as shells count.
  std::string output;  ///< The last 64 KiB of standard output and standard error, mixed.
};

class ProcessRunner {
 public:
  virtual ~ProcessRunner() = default;
  /// Runs to the end. `keep_going` is asked about ten times a second; when it says no, the program
  /// and its children are stopped and the answer is kInterrupted. kNotFound where there is no such
  /// program. Should this process die, the program is killed with it.
  virtual Result<ProcessOutcome> run(const ProcessCommand& command,
                                     const std::function<bool()>& keep_going) = 0;
};

/// The machine's processes.
std::unique_ptr<ProcessRunner> make_system_processes();

/// The simulated twin: a function in the program's place.
class SimulatedProcesses final : public ProcessRunner {
 public:
  using Program =
      std::function<Result<ProcessOutcome>(const ProcessCommand&, const std::function<bool()>&)>;
  explicit SimulatedProcesses(Program program) : program_(std::move(program)) {}

  Result<ProcessOutcome> run(const ProcessCommand& command,
                             const std::function<bool()>& keep_going) override {
    return program_(command, keep_going);
  }

 private:
  Program program_;
};

}  // namespace freehold::io
