#include "cli/line/key_reader.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "cli/line/text_width.h"

namespace freehold::cli {

namespace {

using Kind = Key::Kind;

constexpr char kEscapeByte = '\x1b';
/// Longer than any sequence in use; what goes on after it is no sequence.
constexpr size_t kSequenceBytesMax = 32;
constexpr std::string_view kPasteBegin = "200~";
constexpr std::string_view kPasteEnd = "\x1b[201~";

struct Sequence {
  std::string_view bytes;  // after ESC [ or ESC O
  Kind kind;
};

/// Modifiers as xterm writes them: 1;3 Alt, 1;5 Ctrl.
constexpr Sequence kSequences[] = {
    {"A", Kind::kUp},
    {"B", Kind::kDown},
    {"C", Kind::kRight},
    {"D", Kind::kLeft},
    {"H", Kind::kHome},
    {"F", Kind::kEnd},
    {"1~", Kind::kHome},
    {"7~", Kind::kHome},
    {"4~", Kind::kEnd},
    {"8~", Kind::kEnd},
    {"3~", Kind::kDelete},
    {"1;5C", Kind::kWordRight},
    {"1;5D", Kind::kWordLeft},
    {"1;3C", Kind::kWordRight},
    {"1;3D", Kind::kWordLeft},
    {"5C", Kind::kWordRight},
    {"5D", Kind::kWordLeft},
    {"3;5~", Kind::kDeleteWordRight},
    {"3;3~", Kind::kDeleteWordRight},
    {"13;2u", Kind::kNewline},
    {"27;2;13~", Kind::kNewline},
};

bool is_control_byte(char byte) {
  const auto value = static_cast<unsigned char>(byte);
  return value < 0x20 || value == 0x7F;
}

}  // namespace

std::vector<Key> KeyReader::push(std::string_view bytes) {
  std::vector<Key> keys;
  held_ += bytes;
  while (!held_.empty() && take(keys)) {
  }
  return keys;
}

std::vector<Key> KeyReader::idle() {
  std::vector<Key> keys;
  if (!is_waiting()) return keys;
  if (held_.front() == kEscapeByte) {
    // An Escape, and whatever letters followed it slowly.
    keys.push_back({Kind::kEscape});
    held_.erase(0, 1);
  } else {
    keys.push_back({Kind::kText, clean_text(held_)});
    held_.clear();
  }
  while (!held_.empty() && take(keys)) {
  }
  return keys;
}

bool KeyReader::take(std::vector<Key>& keys) {
  if (pasting_) return take_paste(keys);
  if (held_.front() == kEscapeByte) return take_escape(keys);
  if (!is_control_byte(held_.front())) return take_text(keys);
  const char byte = held_.front();
  held_.erase(0, 1);
  take_control(byte, keys);
  return true;
}

bool KeyReader::take_text(std::vector<Key>& keys) {
  const auto end = std::find_if(held_.begin(), held_.end(), is_control_byte);
  std::string_view text(held_.begin(), end);
  // At the end of what came, a sequence may be cut; before a control byte it is just broken.
  if (end == held_.end()) text.remove_suffix(base::incomplete_utf8_tail(text));
  if (text.empty()) return false;
  std::string clean = clean_text(text);
  held_.erase(0, text.size());
  if (!clean.empty()) keys.push_back({Kind::kText, std::move(clean)});
  return true;
}

void KeyReader::take_control(char byte, std::vector<Key>& keys) {
  switch (byte) {
    case '\r':
    case '\n':
      return keys.push_back({Kind::kEnter});
    case '\t':
      return keys.push_back({Kind::kTab});
    case '\x08':
    case '\x7f':
      return keys.push_back({Kind::kBackspace});
    case '\0':
      return;
    default:
      break;
  }
  const int letter = byte - 1 + 'a';
  if (letter <= 'z') keys.push_back({Kind::kControl, {}, static_cast<char>(letter)});
}

bool KeyReader::take_escape(std::vector<Key>& keys) {
  if (held_.size() < 2) return false;
  const char second = held_[1];
  if (second == '[' || second == 'O') return take_sequence(keys);
  size_t bytes = 2;
  switch (second) {
    case '\r':
    case '\n':
      keys.push_back({Kind::kNewline});
      break;
    case 'b':
      keys.push_back({Kind::kWordLeft});
      break;
    case 'f':
      keys.push_back({Kind::kWordRight});
      break;
    case 'd':
      keys.push_back({Kind::kDeleteWordRight});
      break;
    case '\x08':
    case '\x7f':
      keys.push_back({Kind::kDeleteWordLeft});
      break;
    default:
      keys.push_back({Kind::kEscape});
      bytes = 1;
      break;
  }
  held_.erase(0, bytes);
  return true;
}

bool KeyReader::take_sequence(std::vector<Key>& keys) {
  size_t end = 2;
  const auto is_parameter = [](char c) { return c >= 0x20 && c < 0x40; };
  while (end < held_.size() && end < kSequenceBytesMax && is_parameter(held_[end])) ++end;
  if (end == held_.size()) return false;
  const bool whole = held_[end] >= 0x40 && held_[end] < 0x7F;
  const std::string bytes = held_.substr(2, end - 2 + (whole ? 1 : 0));
  held_.erase(0, end + (whole ? 1 : 0));
  // A broken sequence is left out, and what broke it read as it is.
  if (!whole) return true;
  if (bytes == kPasteBegin) {
    pasting_ = true;
    return true;
  }
  for (const Sequence& sequence : kSequences) {
    if (sequence.bytes == bytes) keys.push_back({sequence.kind});
  }
  return true;
}

void KeyReader::add_paste(std::string_view piece) {
  if (paste_.size() + piece.size() > kPasteBytesMax) paste_too_long_ = true;
  if (paste_too_long_) {
    paste_.clear();
  } else {
    paste_ += piece;
  }
}

bool KeyReader::take_paste(std::vector<Key>& keys) {
  const size_t end = held_.find(kPasteEnd);
  if (end == std::string::npos) {
    // The end may be cut: its beginning stays here.
    size_t kept = std::min(kPasteEnd.size() - 1, held_.size());
    while (!kPasteEnd.starts_with(std::string_view(held_).substr(held_.size() - kept))) --kept;
    add_paste(std::string_view(held_).substr(0, held_.size() - kept));
    held_.erase(0, held_.size() - kept);
    return false;
  }
  add_paste(std::string_view(held_).substr(0, end));
  held_.erase(0, end + kPasteEnd.size());
  if (paste_too_long_) {
    keys.push_back({Kind::kTooLong});
  } else if (std::string text = clean_text(paste_); !text.empty()) {
    keys.push_back({Kind::kPaste, std::move(text)});
  }
  paste_.clear();
  pasting_ = false;
  paste_too_long_ = false;
  return true;
}

}  // namespace freehold::cli
