#include "cli/line/terminal_mode.h"

#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <string_view>

namespace freehold::cli {

namespace {

using Mode = TerminalHold::Mode;

/// Terminals that know it mark what is pasted, so that a pasted line end is no Enter.
constexpr std::string_view kPasteMarksOn = "\x1b[?2004h";
constexpr std::string_view kPasteMarksOff = "\x1b[?2004l";

/// What the handlers need. Written only while their signals are blocked or not yet handled.
struct Held {
  std::atomic<int> descriptor{-1};
  termios given{};
  termios typing{};
  termios quiet{};
  std::atomic<Mode> mode{Mode::kGiven};
  std::atomic<bool> changed{false};
};

Held held;  // NOLINT: see the header

/// Ways to die that leave a chance to put the terminal back.
constexpr int kFatal[] = {SIGHUP, SIGQUIT, SIGTERM, SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};

void write_marks(std::string_view marks) {
  // Nothing to do where the terminal is gone.
  [[maybe_unused]] const ssize_t wrote = ::write(held.descriptor, marks.data(), marks.size());
}

/// Async-signal-safe, as all that follows up to take().
void apply(Mode mode) {
  const termios& wanted = mode == Mode::kTyping  ? held.typing
                          : mode == Mode::kQuiet ? held.quiet
                                                 : held.given;
  // TCSANOW: what was typed already stays to be read.
  ::tcsetattr(held.descriptor, TCSANOW, &wanted);
  write_marks(mode == Mode::kTyping ? kPasteMarksOn : kPasteMarksOff);
}

void on_fatal(int signal_number) {
  if (held.descriptor >= 0 && held.mode != Mode::kGiven) apply(Mode::kGiven);
  // The handler is gone by SA_RESETHAND; the signal does now what it does.
  ::raise(signal_number);
}

void install(int signal_number, void (*handler)(int), int flags) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(signal_number, &action, nullptr);
}

void on_stop(int signal_number) {
  if (held.mode != Mode::kGiven) apply(Mode::kGiven);
  install(signal_number, SIG_DFL, 0);
  sigset_t only;
  ::sigemptyset(&only);
  ::sigaddset(&only, signal_number);
  ::sigprocmask(SIG_UNBLOCK, &only, nullptr);
  ::raise(signal_number);
  // Stopped here until somebody continues us.
  install(signal_number, on_stop, 0);
  if (held.mode != Mode::kGiven) apply(held.mode);
  held.changed = true;
}

/// After SIGSTOP the shell has changed the terminal, and nobody told us before.
void on_continue(int) {
  if (held.mode != Mode::kGiven) apply(held.mode);
  held.changed = true;
}

void on_resize(int) { held.changed = true; }

}  // namespace

Result<TerminalHold> TerminalHold::take(int descriptor) {
  CHECK(!terminal_is_held());
  if (::tcgetattr(descriptor, &held.given) != 0) {
    return Error{ErrorCode::kFailed, "standard input is no terminal that can be set", {}};
  }
  held.typing = held.given;
  held.typing.c_iflag &= ~static_cast<tcflag_t>(ICRNL | INLCR | IGNCR | IXON | ISTRIP);
  held.typing.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
  held.typing.c_cc[VMIN] = 1;
  held.typing.c_cc[VTIME] = 0;
  held.quiet = held.given;
  held.quiet.c_iflag &= ~static_cast<tcflag_t>(ICRNL | INLCR | IGNCR);
  held.quiet.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | IEXTEN);
  held.quiet.c_cc[VMIN] = 1;
  held.quiet.c_cc[VTIME] = 0;
  held.descriptor = descriptor;
  for (const int number : kFatal) {
    install(number, on_fatal, static_cast<int>(SA_RESETHAND) | SA_NODEFER);
  }
  install(SIGTSTP, on_stop, 0);
  install(SIGCONT, on_continue, 0);
  install(SIGWINCH, on_resize, 0);
  return TerminalHold(descriptor);
}

TerminalHold::~TerminalHold() {
  if (descriptor_ < 0) return;
  set(Mode::kGiven);
  for (const int number : kFatal) install(number, SIG_DFL, 0);
  for (const int number : {SIGTSTP, SIGCONT, SIGWINCH}) install(number, SIG_DFL, 0);
  held.descriptor = -1;
}

void TerminalHold::set(Mode mode) {
  if (held.mode == mode) return;
  held.mode = mode;
  apply(mode);
}

void TerminalHold::suspend() { ::raise(SIGTSTP); }

bool TerminalHold::take_change() { return held.changed.exchange(false); }

bool terminal_is_held() { return held.descriptor >= 0; }

}  // namespace freehold::cli
