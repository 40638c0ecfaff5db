#pragma once
// What a command is, and the world it acts on. Commands take everything through Context, which
// main() wires in one place; they print results to `out`, everything else to `err`, and return a
// Status whose error code is the exit code.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "cli/options.h"
#include "io/file.h"
#include "io/process.h"
#include "store/store.h"

namespace freehold::cli {

/// Where text goes. Real: a file descriptor. In tests: a string.
class TextSink {
 public:
  virtual ~TextSink() = default;
  virtual void write(std::string_view text) = 0;
  virtual void flush() {}
};

/// Standard input, read whole or line by line.
class TextSource {
 public:
  virtual ~TextSource() = default;
  virtual bool is_terminal() const = 0;
  /// True when a byte, or the end, can be read without waiting.
  virtual bool has_data_now() = 0;
  /// Everything to the end, at most `bytes_max`; more is kRefused.
  virtual Result<std::string> read_all(uint64_t bytes_max) = 0;
  /// Some bytes, at least one; 0 at the end.
  virtual Result<size_t> read_some(std::span<std::byte> into) = 0;
  /// One line without its end; nothing at the end of the input.
  virtual std::optional<std::string> read_line() = 0;
};

struct Context {
  io::FileSystem& files;
  io::ProcessRunner& processes;
  const store::Catalogue& catalogue;
  TextSink& out;
  TextSink& err;
  TextSource& in;
  base::Clock& clock;
  std::atomic<bool>& interrupted;  // Ctrl-C was pressed; who has dealt with it clears it
  bool err_is_terminal = false;
  bool out_is_terminal = false;
  bool color = false;        // NO_COLOR unset, a terminal on stderr
  bool edits_lines = false;  // standard input and error are a terminal that a cursor moves on
  uint32_t columns = 80;     // width of the terminal
  std::string home{};        // FREEHOLD_HOME or the XDG data folder
  std::string config{};      // the configuration file, which need not be there
  Lookup environment{};
};

struct Command {
  std::string_view name;
  std::string_view summary;  // one line for the list of commands
  std::string_view usage;    // after the name: "MODEL [PROMPT]"
  std::span<const Option> options;
  std::string_view description;  // paragraphs for `help NAME`
  std::string_view examples;     // lines for `help NAME`
  uint32_t positional_min = 0;
  uint32_t positional_max = 0;
  Status (*run)(Context& context, const Arguments& arguments) = nullptr;
};

/// The store at context.home.
store::Store open_store(Context& context);

/// Where a server of this home listens for this user's own commands.
std::string server_socket_path(const Context& context);

/// Every command of commands.def, in its order.
std::span<const Command* const> all_commands();
const Command* find_command(std::string_view name);

/// Whether `command` (any, where it is empty) has an option --`name`.
bool is_option(const std::string& command, const std::string& name);

/// kUsage for a word that is no command: planned ones are told apart from unknown ones.
Error unknown_command(std::string_view name);

/// Text of `help` and `help NAME`, at most `columns` wide.
std::string help_text(uint32_t columns);
std::string help_text(const Command& command, uint32_t columns);

/// Runs `words` (without the program's name): finds the command, parses, acts, prints a failure to
/// context.err. Returns the exit code.
int run_program(Context& context, std::span<const std::string> words,
                const ArgumentSources& sources);

/// An Error as people see it: "error: MESSAGE [CODE NAME]" and, on a second line, what to do next.
std::string error_text(const Error& error);

}  // namespace freehold::cli
