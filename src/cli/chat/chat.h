#pragma once
// A conversation at the terminal: lines in, answers out, and the commands that begin with a slash.
// One thread.

#include <string>
#include <string_view>
#include <vector>

#include "cli/chat/answer_printer.h"
#include "cli/command.h"
#include "cli/generate.h"
#include "cli/line/line_input.h"

namespace freehold::cli {

class Chat;

/// One row of the chat's commands; help, completion and "did you mean" read the same table.
struct ChatCommand {
  std::string_view name;   // "/save"
  std::string_view usage;  // after the name
  std::string_view help;
  Status (*run)(Chat& chat, std::string_view rest) = nullptr;  // nullptr: leaves
};

class Chat {
 public:
  /// `name` is the model's, as it was asked for. All outlive the chat.
  Chat(Context& context, Generator& generator, LineInput& lines, std::string name);

  /// Until /bye, the end of the input, or what cannot go on.
  Status loop();

 private:
  friend struct ChatCommands;

  void load_typed();
  void remember(const std::string& line);
  /// False where the line was a command to leave.
  Result<bool> act(const std::string& line);
  Result<bool> command(std::string_view line);
  Status say(const std::string& line);
  Result<Answer> answer(const std::vector<model::ChatMessage>& messages, uint64_t tokens_max = 0);
  void start_afresh() { messages_ = generator_.first_messages(system_); }
  bool is_on(std::string_view option) const;
  void note(std::string_view text);
  /// A line of err with its end, harmless for the terminal.
  void tell(std::string_view text);

  Status set(std::string_view rest);
  enum class Settings { kAll, kChanged };
  Status show_settings(Settings which);
  Status compact();
  Status show(std::string_view what);
  Status load(const std::string& name);

  Context& context_;
  Generator& generator_;
  LineInput& lines_;
  std::string name_;
  std::string system_;
  std::vector<model::ChatMessage> messages_;
  std::vector<std::string> words_;  // the commands, for completion
  bool explained_ = false;          // how to leave
};

/// What --verbose says about an answer.
void print_statistics(Context& context, const Answer& answer, const Generator& generator);

}  // namespace freehold::cli
