#pragma once
// The mode of the terminal while a chat has it, and its return on every way out: normal ends, fatal
// signals, being stopped and continued. Signal handlers have no other way to what they restore than
// a variable of the process, so there is one hold at a time, behind these functions.

#include "base/result.h"

namespace freehold::cli {

class TerminalHold {
 public:
  enum class Mode {
    kGiven,   ///< as it was found
    kTyping,  ///< every byte as it comes, nothing shown, Ctrl-C and Ctrl-Z as bytes
    kQuiet    ///< nothing shown, what is typed waits, Ctrl-C and Ctrl-Z are signals
  };

  /// Takes the terminal behind `descriptor`; kFailed where it is none. No second hold beside it.
  static Result<TerminalHold> take(int descriptor);
  TerminalHold(TerminalHold&& other) noexcept : descriptor_(other.descriptor_) {
    other.descriptor_ = -1;
  }
  TerminalHold& operator=(TerminalHold&&) = delete;
  ~TerminalHold();

  void set(Mode mode);
  /// Stops the process as Ctrl-Z does, with the terminal as it was found; returns when it goes on.
  void suspend();
  /// Whether the process was stopped and went on, or the window changed, since the last call.
  static bool take_change();

 private:
  explicit TerminalHold(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

/// Whether a TerminalHold exists. For signal handlers.
bool terminal_is_held();

}  // namespace freehold::cli
