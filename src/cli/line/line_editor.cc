#include "cli/line/line_editor.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "cli/line/text_width.h"

namespace freehold::cli {

namespace {

using Event = LineEditor::Event;
using Kind = Key::Kind;

constexpr std::string_view kBlank = " \n\t";
constexpr std::string_view kQuotes = "\"\"\"";

bool is_space(char c) { return kBlank.find(c) != std::string_view::npos; }

}  // namespace

bool continues(std::string_view text) {
  const std::string_view inner = base::trimmed(text, kBlank);
  if (inner.starts_with(kQuotes)) {
    return inner.size() < 2 * kQuotes.size() || !inner.ends_with(kQuotes);
  }
  return text.ends_with('\\');
}

std::string continued(std::string_view text) {
  const bool quoted = base::trimmed(text, kBlank).starts_with(kQuotes);
  if (!quoted && text.ends_with('\\')) text.remove_suffix(1);
  return std::string(text) + '\n';
}

std::string finished(std::string_view text) {
  std::string_view inner = base::trimmed(text, kBlank);
  const bool quoted =
      inner.size() >= 2 * kQuotes.size() && inner.starts_with(kQuotes) && inner.ends_with(kQuotes);
  if (!quoted) return std::string(text);
  inner.remove_prefix(kQuotes.size());
  inner.remove_suffix(kQuotes.size());
  if (inner.starts_with('\n')) inner.remove_prefix(1);
  if (inner.ends_with('\n')) inner.remove_suffix(1);
  return std::string(inner);
}

void LineEditor::begin(std::string prompt, std::string continuation,
                       std::vector<std::string> words) {
  prompt_ = std::move(prompt);
  continuation_ = std::move(continuation);
  words_ = std::move(words);
  text_.clear();
  cursor_ = 0;
  entry_ = history_.size();
  draft_.clear();
  leave_search(false);
  last_was_cut_ = false;
}

std::string LineEditor::take() {
  std::string text;
  text.swap(text_);
  cursor_ = 0;
  return text;
}

EditorView LineEditor::view() const {
  if (!searching_) return {prompt_, continuation_, text_, cursor_};
  const bool found = match_ < history_.size();
  EditorView view{"(search: " + query_ + (found || query_.empty() ? ") " : ", not found) "),
                  continuation_, found ? history_[match_] : text_, 0};
  if (found) view.cursor = view.text.find(query_);
  CHECK(view.cursor <= view.text.size());
  return view;
}

void LineEditor::remember(std::string text) {
  if (text.empty() || (!history_.empty() && history_.back() == text)) return;
  history_.push_back(std::move(text));
  if (history_.size() > kHistoryMax) history_.erase(history_.begin());
  entry_ = history_.size();
}

Event LineEditor::press(const Key& key) {
  if (searching_) return press_search(key);
  last_was_cut_ = cutting_;
  cutting_ = false;
  switch (key.kind) {
    case Kind::kText:
    case Kind::kPaste:
      return insert(key.text);
    case Kind::kEnter:
      return enter();
    case Kind::kNewline:
      return insert("\n");
    case Kind::kTab:
      return complete();
    case Kind::kBackspace:
      if (cursor_ == 0) return Event::kRefuse;
      erase(left_of(cursor_), cursor_);
      return Event::kNone;
    case Kind::kDelete:
      if (cursor_ == text_.size()) return Event::kRefuse;
      erase(cursor_, right_of(cursor_));
      return Event::kNone;
    case Kind::kLeft:
      cursor_ = left_of(cursor_);
      return Event::kNone;
    case Kind::kRight:
      cursor_ = right_of(cursor_);
      return Event::kNone;
    case Kind::kUp:
      return move_up();
    case Kind::kDown:
      return move_down();
    case Kind::kHome:
      cursor_ = line_begin(cursor_);
      return Event::kNone;
    case Kind::kEnd:
      cursor_ = line_end(cursor_);
      return Event::kNone;
    case Kind::kWordLeft:
      cursor_ = word_left_of(cursor_);
      return Event::kNone;
    case Kind::kWordRight:
      cursor_ = word_right_of(cursor_);
      return Event::kNone;
    case Kind::kDeleteWordLeft:
      cut(word_left_of(cursor_), cursor_);
      return Event::kNone;
    case Kind::kDeleteWordRight:
      cut(cursor_, word_right_of(cursor_));
      return Event::kNone;
    case Kind::kControl:
      return press_control(key.control);
    case Kind::kTooLong:
    case Kind::kEscape:
      break;
  }
  return Event::kRefuse;
}

Event LineEditor::press_control(char letter) {
  switch (letter) {
    case 'a':
      return press({Kind::kHome});
    case 'b':
      return press({Kind::kLeft});
    case 'c':
      take();
      return Event::kInterrupt;
    case 'd':
      return text_.empty() ? Event::kEnd : press({Kind::kDelete});
    case 'e':
      return press({Kind::kEnd});
    case 'f':
      return press({Kind::kRight});
    case 'k':
      cut(cursor_, line_end(cursor_));
      return Event::kNone;
    case 'l':
      return Event::kClear;
    case 'n':
      return move_down();
    case 'p':
      return move_up();
    case 'r':
      searching_ = true;
      query_.clear();
      match_ = history_.size();
      return Event::kNone;
    case 'u':
      cut(line_begin(cursor_), cursor_);
      return Event::kNone;
    case 'w':
      cut(word_left_of(cursor_), cursor_);
      return Event::kNone;
    case 'y':
      return insert(cut_);
    case 'z':
      return Event::kSuspend;
    default:
      return Event::kRefuse;
  }
}

Event LineEditor::insert(std::string_view text) {
  if (text_.size() + text.size() > kTextBytesMax) return Event::kRefuse;
  text_.insert(cursor_, text);
  cursor_ += text.size();
  return Event::kNone;
}

Event LineEditor::enter() {
  if (!continues(text_)) {
    cursor_ = text_.size();
    return Event::kLine;
  }
  if (text_.size() >= kTextBytesMax) return Event::kRefuse;
  text_ = continued(text_);
  cursor_ = text_.size();
  return Event::kNone;
}

Event LineEditor::complete() {
  const std::string_view begun = std::string_view(text_).substr(0, cursor_);
  std::string common;
  size_t fitting = 0;
  for (const std::string& word : words_) {
    if (begun.empty() || !word.starts_with(begun)) continue;
    if (fitting++ == 0) common = word;
    const auto differ = std::mismatch(common.begin(), common.end(), word.begin(), word.end()).first;
    common.erase(differ, common.end());
  }
  if (fitting == 0) return Event::kRefuse;
  const std::string rest = common.substr(begun.size()) + (fitting == 1 ? " " : "");
  return rest.empty() ? Event::kRefuse : insert(rest);
}

void LineEditor::cut(size_t from, size_t to) {
  std::string piece = text_.substr(from, to - from);
  const bool backwards = to == cursor_ && from < to;
  if (!last_was_cut_) {
    cut_ = std::move(piece);
  } else {
    cut_ = backwards ? piece + cut_ : cut_ + piece;
  }
  cutting_ = true;
  erase(from, to);
}

void LineEditor::erase(size_t from, size_t to) {
  text_.erase(from, to - from);
  cursor_ = from;
}

size_t LineEditor::left_of(size_t at) const {
  return at == 0 ? 0 : at - last_cluster(std::string_view(text_).substr(0, at));
}

size_t LineEditor::right_of(size_t at) const {
  return at == text_.size() ? at : at + first_cluster(std::string_view(text_).substr(at));
}

size_t LineEditor::word_left_of(size_t at) const {
  while (at > 0 && is_space(text_[at - 1])) --at;
  while (at > 0 && !is_space(text_[at - 1])) --at;
  return at;
}

size_t LineEditor::word_right_of(size_t at) const {
  while (at < text_.size() && is_space(text_[at])) ++at;
  while (at < text_.size() && !is_space(text_[at])) ++at;
  return at;
}

size_t LineEditor::line_begin(size_t at) const {
  const size_t end = at == 0 ? std::string::npos : text_.rfind('\n', at - 1);
  return end == std::string::npos ? 0 : end + 1;
}

size_t LineEditor::line_end(size_t at) const {
  return std::min(text_.find('\n', at), text_.size());
}

Event LineEditor::show_entry(size_t entry) {
  if (entry_ == history_.size()) draft_ = text_;
  entry_ = entry;
  text_ = entry == history_.size() ? draft_ : history_[entry];
  cursor_ = text_.size();
  return Event::kNone;
}

Event LineEditor::move_up() {
  const size_t begin = line_begin(cursor_);
  if (begin == 0) return entry_ == 0 ? Event::kRefuse : show_entry(entry_ - 1);
  const size_t column = cursor_ - begin;
  const size_t above = line_begin(begin - 1);
  cursor_ = above + std::min(column, begin - 1 - above);
  // A byte's column may lie inside a character of the other line.
  if (cursor_ > above) cursor_ = right_of(left_of(cursor_));
  return Event::kNone;
}

Event LineEditor::move_down() {
  const size_t end = line_end(cursor_);
  if (end == text_.size()) {
    return entry_ == history_.size() ? Event::kRefuse : show_entry(entry_ + 1);
  }
  const size_t column = cursor_ - line_begin(cursor_);
  cursor_ = std::min(end + 1 + column, line_end(end + 1));
  if (cursor_ > end + 1) cursor_ = right_of(left_of(cursor_));
  return Event::kNone;
}

size_t LineEditor::find_entry(size_t before) const {
  for (size_t at = std::min(before, history_.size()); at > 0; --at) {
    if (history_[at - 1].find(query_) != std::string::npos) return at - 1;
  }
  return history_.size();
}

void LineEditor::leave_search(bool keep_match) {
  if (searching_ && keep_match && match_ < history_.size()) {
    const size_t match = match_;
    show_entry(match);
  }
  searching_ = false;
  query_.clear();
}

Event LineEditor::press_search(const Key& key) {
  const auto again = [this](size_t found) {
    if (found == history_.size()) return Event::kRefuse;
    match_ = found;
    return Event::kNone;
  };
  if (key.kind == Kind::kText && query_.size() + key.text.size() <= kTextBytesMax) {
    query_ += key.text;
    match_ = find_entry(history_.size());
    return match_ == history_.size() ? Event::kRefuse : Event::kNone;
  }
  if (key.kind == Kind::kBackspace) {
    if (query_.empty()) return Event::kRefuse;
    query_.erase(query_.size() - last_cluster(query_));
    match_ = query_.empty() ? history_.size() : find_entry(history_.size());
    return Event::kNone;
  }
  if (key.kind == Kind::kControl && key.control == 'r') {
    return query_.empty() ? Event::kRefuse : again(find_entry(match_));
  }
  const bool cancel = key.kind == Kind::kControl && (key.control == 'c' || key.control == 'g');
  leave_search(!cancel);
  if (cancel || key.kind == Kind::kEscape) return Event::kNone;
  return press(key);
}

}  // namespace freehold::cli
