// What a terminal sends and what a chat's files hold, as any bytes. The first byte picks the door.
// Typed bytes: keys whole and in pieces give one text, which stays UTF-8 with its cursor inside,
// and every row fits the terminal. Files: what is read is written and read back the same. Answers:
// every byte comes out of the splitter of thoughts.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/text.h"
#include "cli/chat/conversation.h"
#include "cli/line/line_painter.h"
#include "cli/line/text_width.h"
#include "model/prompt/thinking.h"

namespace {

using namespace freehold;  // NOLINT: a program of its own

void check_text(const cli::EditorView& view, size_t columns) {
  CHECK(view.cursor <= view.text.size());
  for (size_t at = 0; at < view.text.size();) {
    const base::DecodedRune rune = base::decode_utf8(std::string_view(view.text).substr(at));
    CHECK(rune.valid);
    CHECK(rune.value >= 0x20 || rune.value == '\n' || rune.value == '\t');
    // The cursor is between code points.
    CHECK(view.cursor <= at || view.cursor >= at + rune.length);
    at += rune.length;
  }
  const cli::Rows rows = cli::lay_out(view, columns);
  for (size_t row = 0; row < rows.rows.size(); ++row) {
    CHECK(rows.columns[row] <= columns);
    CHECK(rows.rows[row].find('\x1b') == std::string::npos);
  }
  CHECK(rows.cursor_row < rows.rows.size());
  CHECK(rows.cursor_column < columns);
}

void press(cli::LineEditor& editor, const std::vector<cli::Key>& keys) {
  for (const cli::Key& key : keys) {
    if (editor.press(key) != cli::LineEditor::Event::kLine) continue;
    editor.remember(editor.take());
    editor.begin("> ", "| ", {"/save", "/show"});
  }
}

void type(std::string_view bytes) {
  const size_t columns = bytes.empty() ? 2 : 2 + static_cast<unsigned char>(bytes[0]) % 40;
  cli::LineEditor whole;
  cli::LineEditor pieces;
  whole.begin("> ", "| ", {"/save", "/show"});
  pieces.begin("> ", "| ", {"/save", "/show"});
  cli::KeyReader reader;
  press(whole, reader.push(bytes));
  press(whole, reader.idle());
  cli::KeyReader slow;
  cli::LinePainter painter;
  for (const char& byte : bytes) {
    press(pieces, slow.push(std::string_view(&byte, 1)));
    check_text(pieces.view(), columns);
    painter.paint(pieces.view(), columns, 1 + columns % 7);
  }
  press(pieces, slow.idle());
  check_text(whole.view(), columns);
  CHECK(whole.view().text == pieces.view().text);
  CHECK(whole.view().cursor == pieces.view().cursor);
  CHECK(whole.history() == pieces.history());
}

void think(std::string_view bytes) {
  model::ThinkingSplitter splitter(bytes.size() % 2 == 1);
  std::string out;
  const auto add = [&out](const std::vector<model::AnswerPart>& parts) {
    for (const model::AnswerPart& part : parts) out += part.text;
  };
  for (size_t at = 0; at < bytes.size(); at += 3) add(splitter.push(bytes.substr(at, 3)));
  add(splitter.finish());
  CHECK(out == bytes);
}

void read_files(std::string_view bytes) {
  std::string history;
  const std::vector<std::string> entries = cli::parse_history(bytes);
  for (const std::string& entry : entries) history += cli::encode_history_entry(entry) + "\n";
  CHECK(cli::parse_history(history) == entries);
  const auto conversation = cli::parse_conversation(bytes);
  if (!conversation.ok()) return;
  const std::string text = cli::encode_conversation(*conversation);
  const auto again = cli::parse_conversation(text);
  CHECK(again.ok());
  CHECK(cli::encode_conversation(*again) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 3) {
    case 0:
      type(bytes);
      break;
    case 1:
      think(bytes);
      break;
    default:
      read_files(bytes);
      break;
  }
  return 0;
}
