#pragma once
// A line being typed, as a pure state machine: keys go in, events and a view to paint come out. It
// knows cursor and words, history with search, what was cut last, completion of the first word, and
// texts of several lines. Not a terminal: line/terminal_lines.h reads and paints. One thread.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "cli/line/key_reader.h"

namespace freehold::cli {

/// Whether `text`, at an Enter, goes on in another line: it ends in a backslash, or it began with
/// three quotes and they are still open.
bool continues(std::string_view text);

/// `text`, which continues(), as it goes on: the backslash becomes a line end.
std::string continued(std::string_view text);

/// What was meant by a whole text: without three quotes around it.
std::string finished(std::string_view text);

/// What there is to paint.
struct EditorView {
  std::string prompt;
  std::string continuation;  // before every further line
  std::string text;
  size_t cursor = 0;  // byte of text
};

class LineEditor {
 public:
  enum class Event {
    kNone,
    kLine,       ///< take() has the line
    kInterrupt,  ///< Ctrl-C; what was typed is gone
    kEnd,        ///< Ctrl-D in an empty line
    kSuspend,    ///< Ctrl-Z
    kClear,      ///< Ctrl-L: an empty screen, please
    kRefuse      ///< nothing to do for that key, or no room for it
  };

  static constexpr size_t kTextBytesMax = 4u << 20;
  static constexpr size_t kHistoryMax = 1000;

  /// Starts an empty line. `words` are what Tab completes a first word to.
  void begin(std::string prompt, std::string continuation, std::vector<std::string> words);
  Event press(const Key& key);
  /// The text as typed; the editor is empty after it.
  std::string take();
  EditorView view() const;

  /// Remembers `text` unless it is what was remembered last; the oldest goes where there are more
  /// than kHistoryMax.
  void remember(std::string text);
  const std::vector<std::string>& history() const { return history_; }

 private:
  Event press_control(char letter);
  Event press_search(const Key& key);
  Event insert(std::string_view text);
  Event enter();
  Event complete();
  /// Cuts [from, to) and keeps it; cuts in a row are kept together.
  void cut(size_t from, size_t to);
  void erase(size_t from, size_t to);
  size_t left_of(size_t at) const;
  size_t right_of(size_t at) const;
  size_t word_left_of(size_t at) const;
  size_t word_right_of(size_t at) const;
  size_t line_begin(size_t at) const;
  size_t line_end(size_t at) const;
  Event move_up();
  Event move_down();
  Event show_entry(size_t entry);
  /// The newest entry before `before` that holds the query; history_.size() where there is none.
  size_t find_entry(size_t before) const;
  void leave_search(bool keep_match);

  std::string prompt_;
  std::string continuation_;
  std::vector<std::string> words_;
  std::string text_;
  size_t cursor_ = 0;

  std::vector<std::string> history_;
  size_t entry_ = 0;   // of history_ that is shown; history_.size(): the draft
  std::string draft_;  // what was typed before history was asked

  std::string cut_;
  bool last_was_cut_ = false;
  bool cutting_ = false;

  bool searching_ = false;
  std::string query_;
  size_t match_ = 0;
};

}  // namespace freehold::cli
