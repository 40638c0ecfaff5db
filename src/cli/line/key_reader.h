#pragma once
// Bytes from a terminal to keys: UTF-8 text, control characters, the escape sequences of cursor and
// editing keys (ECMA-48 and what xterm adds), bracketed paste. Reads nothing itself, so that any
// bytes can be fed to it; holds at most one unfinished sequence or paste. One thread.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace freehold::cli {

struct Key {
  enum class Kind {
    kText,     ///< `text`: printable, whole code points
    kPaste,    ///< `text`: as clean_text(); a cut paste comes as kTooLong instead
    kTooLong,  ///< a paste of more than kPasteBytesMax
    kEnter,
    kNewline,  ///< Alt-Enter: a line end in the text
    kTab,
    kBackspace,
    kDelete,
    kLeft,
    kRight,
    kUp,
    kDown,
    kHome,
    kEnd,
    kWordLeft,
    kWordRight,
    kDeleteWordLeft,
    kDeleteWordRight,
    kEscape,
    kControl  ///< `control`: the letter in lower case
  };
  Kind kind = Kind::kText;
  std::string text = {};
  char control = 0;
  bool operator==(const Key&) const = default;
};

class KeyReader {
 public:
  static constexpr size_t kPasteBytesMax = 1u << 20;

  /// The keys that `bytes` complete.
  std::vector<Key> push(std::string_view bytes);
  /// Whether something unfinished is held that may be all there is: a lone Escape.
  bool is_waiting() const { return !held_.empty() && !pasting_; }
  /// No more bytes came for a while: what is held is all there is.
  std::vector<Key> idle();

 private:
  /// Takes one key, or one piece of one, from held_; false where more bytes are needed.
  bool take(std::vector<Key>& keys);
  bool take_text(std::vector<Key>& keys);
  bool take_escape(std::vector<Key>& keys);
  bool take_sequence(std::vector<Key>& keys);
  bool take_paste(std::vector<Key>& keys);
  void take_control(char byte, std::vector<Key>& keys);
  void add_paste(std::string_view piece);

  std::string held_;
  std::string paste_;
  bool pasting_ = false;
  bool paste_too_long_ = false;
};

}  // namespace freehold::cli
