// The line editor without a terminal: bytes to keys, keys to texts, texts to rows, and rows on a
// small model of a terminal that keeps what the painter's bytes would show.

#include <gtest/gtest.h>

#include "base/text.h"
#include "cli/line/line_painter.h"
#include "cli/line/text_width.h"

namespace freehold::cli {
namespace {

using Event = LineEditor::Event;
using Kind = Key::Kind;

/// A terminal's screen: enough of ECMA-48 for what the painter writes. Unknown bytes fail the test.
class Screen {
 public:
  Screen(size_t columns, size_t rows) : columns_(columns), lines_(rows) {}

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      if (bytes.starts_with("\x1b[")) {
        bytes.remove_prefix(sequence(bytes));
        continue;
      }
      const base::DecodedRune rune = base::decode_utf8(bytes);
      put(bytes.substr(0, rune.length), rune.value);
      bytes.remove_prefix(rune.length);
    }
  }
  /// Rows with their ends trimmed, down to the last that is not empty.
  std::vector<std::string> text() const {
    std::vector<std::string> rows;
    for (const auto& line : lines_) {
      std::string shown;
      for (const std::string& cell : line)
        shown += cell == "(wide)" ? "" : cell.empty() ? " " : cell;
      while (shown.ends_with(' ')) shown.pop_back();
      rows.push_back(shown);
    }
    while (!rows.empty() && rows.back().empty()) rows.pop_back();
    return rows;
  }
  size_t row = 0;
  size_t column = 0;

 private:
  size_t sequence(std::string_view bytes) {
    size_t end = 2;
    size_t number = 0;
    while (bytes[end] >= '0' && bytes[end] <= '9') {
      number = number * 10 + static_cast<size_t>(bytes[end++] - '0');
    }
    const size_t steps = number == 0 ? 1 : number;
    switch (bytes[end]) {
      case 'A':
        row = row < steps ? 0 : row - steps;
        break;
      case 'B':
        row = std::min(row + steps, lines_.size() - 1);
        break;
      case 'C':
        column = std::min(column + steps, columns_ - 1);
        break;
      case 'J':
        if (column < lines_[row].size()) lines_[row].resize(column);
        for (size_t below = row + 1; below < lines_.size(); ++below) lines_[below].clear();
        break;
      default:
        ADD_FAILURE() << "a sequence that is not known: " << bytes.substr(1, end);
    }
    pending_ = false;
    return end + 1;
  }
  void put(std::string_view bytes, char32_t rune) {
    if (rune == '\r') {
      column = 0;
      pending_ = false;
    } else if (rune == '\n') {
      line_feed();
    } else if (const size_t width = rune_columns(rune); width == 0) {
      if (column > 0) lines_[row][column - (pending_ ? 0 : 1)] += bytes;
    } else {
      ASSERT_GE(rune, 32u);
      // What the painter breaks itself never gets here.
      ASSERT_FALSE(pending_) << "the terminal would break the row";
      ASSERT_LE(column + width, columns_) << "no room for a wide character";
      auto& line = lines_[row];
      if (line.size() < column + width) line.resize(column + width);
      line[column] = bytes;
      if (width == 2) line[column + 1] = "(wide)";
      column += width;
      if (column == columns_) {
        --column;
        pending_ = true;
      }
    }
  }
  void line_feed() {
    pending_ = false;
    if (++row < lines_.size()) return;
    lines_.erase(lines_.begin());
    lines_.emplace_back();
    row = lines_.size() - 1;
  }

  size_t columns_;
  std::vector<std::vector<std::string>> lines_;
  bool pending_ = false;  // the cursor stands behind the last column
};

std::vector<Key> keys(std::string_view bytes) {
  KeyReader reader;
  auto read = reader.push(bytes);
  for (Key& key : reader.idle()) read.push_back(std::move(key));
  return read;
}

/// What `bytes` leave in an editor with `history`; the last event in `event`.
LineEditor type(std::string_view bytes, std::vector<std::string> history = {},
                Event* event = nullptr) {
  LineEditor editor;
  for (std::string& line : history) editor.remember(std::move(line));
  editor.begin("> ", "| ", {"/save", "/set", "/show"});
  for (const Key& key : keys(bytes)) {
    const Event got = editor.press(key);
    if (event != nullptr) *event = got;
  }
  return editor;
}

std::string text_of(const LineEditor& editor) { return editor.view().text; }

/// The text with a bar at the cursor.
std::string marked(std::string_view bytes, std::vector<std::string> history = {}) {
  EditorView view = type(bytes, std::move(history)).view();
  return view.text.insert(view.cursor, "|");
}

TEST(TextWidth, ColumnsOfCharacters) {
  EXPECT_EQ(text_columns("abc"), 3u);
  EXPECT_EQ(text_columns("é"), 1u);
  EXPECT_EQ(text_columns("e\u0301"), 1u);
  EXPECT_EQ(text_columns("日本"), 4u);
  EXPECT_EQ(text_columns("한"), 2u);
  EXPECT_EQ(text_columns("😀"), 2u);
  EXPECT_EQ(text_columns("\u200b"), 0u);
  EXPECT_EQ(first_cluster("e\u0301x"), 3u);
  EXPECT_EQ(last_cluster("xe\u0301"), 3u);
  EXPECT_EQ(last_cluster("日"), 3u);
}

TEST(TextWidth, WhatMayCommandATerminalDoesNot) {
  EXPECT_EQ(harmless_text("a\x1b[2Jb"), "a\uFFFD[2Jb");
  EXPECT_EQ(harmless_text("a\u009b2Jb"), "a\uFFFD2Jb");
  EXPECT_EQ(harmless_text("over\rwritten"), "over\uFFFDwritten");
  EXPECT_EQ(harmless_text("two\r\nlines\tand a tab\n"), "two\nlines\tand a tab\n");
  EXPECT_EQ(harmless_text("\xff"), "\uFFFD");
  EXPECT_EQ(clean_text("a\x1b[31mb\r\nc\rd"), "a[31mb\nc\nd");
}

TEST(KeyReader, EveryKeyInOnePieceAndInSingleBytes) {
  constexpr std::string_view kBytes =
      "aé日\x1b[A\x1bOB\x1b[1;5C\x1b[3~\x01\x7f\t\x1b\r\x1b[200~x\ry\x1b[201~\x1b[99;99Rz\r";
  const std::vector<Key> whole = keys(kBytes);
  const std::vector<Key> expected = {
      {Kind::kText, "aé日"},  {Kind::kUp},        {Kind::kDown},
      {Kind::kWordRight},     {Kind::kDelete},    {Kind::kControl, {}, 'a'},
      {Kind::kBackspace},     {Kind::kTab},       {Kind::kNewline},
      {Kind::kPaste, "x\ny"}, {Kind::kText, "z"}, {Kind::kEnter}};
  EXPECT_EQ(whole, expected);
  KeyReader reader;
  std::vector<Key> pieces;
  for (const char byte : kBytes) {
    for (Key& key : reader.push(std::string_view(&byte, 1))) {
      if (key.kind == Kind::kText && !pieces.empty() && pieces.back().kind == Kind::kText) {
        pieces.back().text += key.text;
      } else {
        pieces.push_back(std::move(key));
      }
    }
  }
  EXPECT_EQ(pieces, expected);
  EXPECT_FALSE(reader.is_waiting());
}

TEST(KeyReader, WhatIsBrokenLosesLittle) {
  EXPECT_EQ(keys("\x1b"), std::vector<Key>{{Kind::kEscape}});
  EXPECT_EQ(keys("a\xff"
                 "b"),
            (std::vector<Key>{{Kind::kText,
                               "a\uFFFD"
                               "b"}}));
  EXPECT_EQ(keys("\xe6\x97"), (std::vector<Key>{{Kind::kText, "\uFFFD\uFFFD"}}));
  // A sequence broken by a control character: the character counts.
  EXPECT_EQ(keys("\x1b[1\x03"), (std::vector<Key>{{Kind::kControl, {}, 'c'}}));
  KeyReader reader;
  std::string paste = "\x1b[200~" + std::string(KeyReader::kPasteBytesMax + 1, 'x') + "\x1b[201~y";
  const auto read = reader.push(paste);
  EXPECT_EQ(read, (std::vector<Key>{{Kind::kTooLong}, {Kind::kText, "y"}}));
}

TEST(LineEditor, CursorAndWords) {
  EXPECT_EQ(marked("hello\x01X"), "X|hello");
  EXPECT_EQ(marked("ab\x1b[D\x1b[DX"), "X|ab");
  EXPECT_EQ(marked("日本e\u0301\x7f\x7f"), "日|");
  EXPECT_EQ(marked("a日b\x02\x02X"), "aX|日b");
  EXPECT_EQ(marked("one two\x1b"
                   "bX"),
            "one X|two");
  EXPECT_EQ(marked("one two\x17"), "one |");
  EXPECT_EQ(marked("one two\x01\x0b"), "|");
  EXPECT_EQ(marked("one two\x17\x17\x19"), "one two|");
  EXPECT_EQ(marked("one two\x01\x06\x15"), "|ne two");
  EXPECT_EQ(marked("ab\x01\x04"), "|b");
  Event event = Event::kNone;
  type("a\n", {}, &event);
  EXPECT_EQ(event, Event::kLine) << "a line feed is an Enter";
}

TEST(LineEditor, ManyLines) {
  Event event = Event::kNone;
  EXPECT_EQ(text_of(type("one\\\rtwo", {}, &event)), "one\ntwo");
  EXPECT_EQ(text_of(type("one\\\rtwo\r", {}, &event)), "one\ntwo");
  EXPECT_EQ(event, Event::kLine);
  EXPECT_EQ(text_of(type("\"\"\"a\rb\r", {}, &event)), "\"\"\"a\nb\n");
  EXPECT_EQ(event, Event::kNone);
  EXPECT_EQ(finished(text_of(type("\"\"\"\ra\rb\r\"\"\"\r", {}, &event))), "a\nb");
  EXPECT_EQ(event, Event::kLine);
  EXPECT_EQ(finished("\"\"\"a\"\"\""), "a");
  EXPECT_EQ(finished("\"\"\""), "\"\"\"");
  // Up and down stay in the text, at the column.
  EXPECT_EQ(marked("abc\x1b\rdefg\x1b[A"), "abc|\ndefg");
  EXPECT_EQ(marked("abc\x1b\rdefg\x1b[A\x1b[D\x1b[B"), "abc\nde|fg");
  // A pasted line end is no Enter.
  EXPECT_EQ(text_of(type("\x1b[200~a\rb\x1b[201~c", {}, &event)), "a\nbc");
}

TEST(LineEditor, History) {
  const std::vector<std::string> history = {"first", "second", "third one"};
  EXPECT_EQ(text_of(type("\x1b[A\x1b[A", history)), "second");
  EXPECT_EQ(text_of(type("draft\x1b[A\x1b[A\x1b[B\x1b[B", history)), "draft");
  Event event = Event::kNone;
  EXPECT_EQ(text_of(type("\x1b[A\x1b[A\x1b[A\x1b[A", history, &event)), "first");
  EXPECT_EQ(event, Event::kRefuse);
  // Ctrl-R: found, found again, taken, given up.
  EXPECT_EQ(text_of(type("\x12on\r", history)), "third one");
  EXPECT_EQ(type("\x12on", history).view().prompt, "(search: on) ");
  EXPECT_EQ(text_of(type("\x12on\x12\r", history, &event)), "second");
  EXPECT_EQ(event, Event::kLine);
  EXPECT_EQ(text_of(type("draft\x12sec\x03", history)), "draft");
  EXPECT_EQ(text_of(type("\x12no such\r", history)), "");
  EXPECT_EQ(type("\x12no such", history).view().prompt, "(search: no such, not found) ");
  LineEditor editor;
  for (size_t i = 0; i < LineEditor::kHistoryMax + 5; ++i) editor.remember(std::to_string(i));
  EXPECT_EQ(editor.history().size(), LineEditor::kHistoryMax);
  EXPECT_EQ(editor.history().front(), "5");
  editor.remember(editor.history().back());
  EXPECT_EQ(editor.history().size(), LineEditor::kHistoryMax);
}

TEST(LineEditor, EndsAndCompletion) {
  Event event = Event::kNone;
  EXPECT_EQ(text_of(type("abc\x03", {}, &event)), "");
  EXPECT_EQ(event, Event::kInterrupt);
  type("\x04", {}, &event);
  EXPECT_EQ(event, Event::kEnd);
  type("a\x04", {}, &event);
  EXPECT_EQ(event, Event::kRefuse) << "Ctrl-D in a line deletes";
  type("\x1a", {}, &event);
  EXPECT_EQ(event, Event::kSuspend);
  EXPECT_EQ(text_of(type("/sa\t")), "/save ");
  EXPECT_EQ(text_of(type("/s\t", {}, &event)), "/s");
  EXPECT_EQ(event, Event::kRefuse);
  EXPECT_EQ(text_of(type("x\t")), "x");
}

TEST(LinePainter, RowsAndCursor) {
  const Rows rows = lay_out({"> ", "| ", "abcdef\n日本", 7}, 6);
  EXPECT_EQ(rows.rows, (std::vector<std::string>{"> abcd", "ef", "| 日本"}));
  EXPECT_EQ(rows.cursor_row, 2u);
  EXPECT_EQ(rows.cursor_column, 2u);
  // A wide character that does not fit goes to the next row; the cursor behind a full row too.
  EXPECT_EQ(lay_out({"", "", "abc日", 0}, 4).rows, (std::vector<std::string>{"abc", "日"}));
  const Rows full = lay_out({"", "", "abcd", 4}, 4);
  EXPECT_EQ(full.cursor_row, 1u);
  EXPECT_EQ(full.cursor_column, 0u);
  EXPECT_EQ(lay_out({"", "", "a\tb", 0}, 20).rows, (std::vector<std::string>{"a    b"}));
}

/// Types on a screen and compares it, at every key, with a fresh painting of the same text.
void expect_same_screen(std::string_view bytes, size_t columns, size_t rows) {
  LineEditor editor;
  editor.begin(">>> ", "... ", {});
  LinePainter painter;
  Screen screen(columns, rows);
  screen.write(painter.paint(editor.view(), columns, rows));
  for (const Key& key : keys(bytes)) {
    editor.press(key);
    screen.write(painter.paint(editor.view(), columns, rows));
    Screen fresh(columns, rows);
    LinePainter other;
    fresh.write(other.paint(editor.view(), columns, rows));
    ASSERT_EQ(screen.column, fresh.column);
    const auto got = screen.text();
    const auto want = fresh.text();
    ASSERT_GE(got.size(), want.size());
    // What scrolled up stays above.
    EXPECT_EQ(std::vector<std::string>(got.end() - static_cast<ptrdiff_t>(want.size()), got.end()),
              want);
  }
}

TEST(LinePainter, TypingIsPaintingAfresh) {
  constexpr std::string_view kBytes =
      "The quick 日本語 fox e\u0301 jumps over it.\x01start \x05 end\x17\x17more\x1b[D\x1b[D\x1b[D"
      "x\x7f\x7f\x1b\rsecond line\x1b[A\x1b[A\x0b\x15";
  for (const size_t columns : {5u, 9u, 10u, 17u, 40u, 80u}) {
    for (const size_t rows : {3u, 24u}) expect_same_screen(kBytes, columns, rows);
  }
}

TEST(LinePainter, NarrowerWindowIsCountedFolded) {
  LinePainter painter;
  const EditorView view{"", "", "abcdefghij", 10};
  painter.paint(view, 20, 24);
  // On 4 columns the ten are three rows, the cursor in the third.
  EXPECT_TRUE(painter.paint(view, 4, 24).starts_with("\r\x1b[2A\x1b[J"));
}

}  // namespace
}  // namespace freehold::cli
