#include "cli/line/terminal_lines.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace freehold::cli {

namespace {

constexpr size_t kReadMax = 64 * 1024;
/// How long an Escape may wait for what makes it a sequence.
constexpr long kEscapeWait_ns = 50'000'000;

struct Size {
  size_t columns = 80;
  size_t rows = 24;
};

Size terminal_size(int descriptor) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
    return {};
  }
  return {size.ws_col, size.ws_row};
}

/// Signals are let in only while we wait, so that none comes between a look and the wait.
enum class Wait { kReady, kSignal, kTime };
Wait wait_for(int descriptor, bool briefly) {
  sigset_t waited;
  sigset_t before;
  ::sigemptyset(&waited);
  for (const int number : {SIGWINCH, SIGCONT, SIGTSTP, SIGINT}) ::sigaddset(&waited, number);
  ::pthread_sigmask(SIG_BLOCK, &waited, &before);
  Wait result = Wait::kSignal;
  if (!TerminalHold::take_change()) {
    pollfd source{descriptor, POLLIN, 0};
    const timespec limit{0, kEscapeWait_ns};
    const int ready = ::ppoll(&source, 1, briefly ? &limit : nullptr, &before);
    result = ready > 0 ? Wait::kReady : ready == 0 ? Wait::kTime : Wait::kSignal;
    TerminalHold::take_change();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return result;
}

}  // namespace

Result<std::unique_ptr<LineInput>> TerminalLines::create(std::atomic<bool>& interrupted) {
  TerminalHold hold = TRY(TerminalHold::take(STDIN_FILENO));
  return std::unique_ptr<LineInput>(
      std::make_unique<TerminalLines>(std::move(hold), STDIN_FILENO, STDERR_FILENO, interrupted));
}

InputLine TerminalLines::read(std::string_view prompt, const std::vector<std::string>& words) {
  editor_.begin(std::string(prompt), "... ", words);
  painter_.forget();
  hold_.set(TerminalHold::Mode::kTyping);
  std::optional<InputLine> line;
  while (!line) {
    if (keys_.empty()) {
      paint();
      if (!fill()) line = act(LineEditor::Event::kEnd);
      continue;
    }
    const Key key = std::move(keys_.back());
    keys_.pop_back();
    line = act(editor_.press(key));
    if (key.kind == Key::Kind::kTooLong) {
      write(painter_.leave() +
            "That is more than 1 MB and was not taken. It can come as a file: "
            "freehold run MODEL --file FILE \"…\"\r\n");
    }
  }
  hold_.set(TerminalHold::Mode::kGiven);
  return *std::move(line);
}

std::optional<InputLine> TerminalLines::act(LineEditor::Event event) {
  using Event = LineEditor::Event;
  switch (event) {
    case Event::kNone:
      return std::nullopt;
    case Event::kRefuse:
      write("\a");
      return std::nullopt;
    case Event::kSuspend:
      write(painter_.leave());
      hold_.suspend();
      return std::nullopt;
    case Event::kClear:
      painter_.forget();
      write("\x1b[H\x1b[2J");
      return std::nullopt;
    case Event::kLine:
      paint();
      write(painter_.leave());
      return InputLine{InputLine::Kind::kText, editor_.take()};
    case Event::kInterrupt:
      write("^C" + painter_.leave());
      return InputLine{InputLine::Kind::kInterrupted};
    case Event::kEnd:
      break;
  }
  write(painter_.leave());
  return InputLine{InputLine::Kind::kEnd};
}

bool TerminalLines::fill() {
  switch (wait_for(in_, reader_.is_waiting())) {
    case Wait::kTime:
      keys_ = reader_.idle();
      std::reverse(keys_.begin(), keys_.end());
      return true;
    case Wait::kSignal:
      // SIGINT from outside is the key.
      if (interrupted_.exchange(false)) keys_ = {{Key::Kind::kControl, {}, 'c'}};
      return true;
    case Wait::kReady:
      break;
  }
  char buffer[kReadMax];
  const ssize_t got = ::read(in_, buffer, sizeof(buffer));
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  keys_ = reader_.push(std::string_view(buffer, static_cast<size_t>(got)));
  std::reverse(keys_.begin(), keys_.end());
  return true;
}

void TerminalLines::paint() {
  const Size size = terminal_size(out_);
  write(painter_.paint(editor_.view(), size.columns, size.rows));
}

void TerminalLines::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(out_, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
}

}  // namespace freehold::cli
