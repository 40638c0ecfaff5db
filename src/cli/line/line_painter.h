#pragma once
// From a view of an editor to rows of a terminal, and from rows to the bytes that show them. Pure:
// it keeps what it painted last and asks no terminal. One thread.

#include <cstddef>
#include <string>
#include <vector>

#include "cli/line/line_editor.h"

namespace freehold::cli {

struct Rows {
  std::vector<std::string> rows;
  std::vector<size_t> columns;  // of each row
  size_t cursor_row = 0;
  size_t cursor_column = 0;
};

/// Breaks prompt and text into rows of at most `columns` (at least 2). A tab is four spaces,
/// another control character a replacement mark. The cursor is always inside: at the end of a full
/// row it stands in the next.
Rows lay_out(const EditorView& view, size_t columns);

class LinePainter {
 public:
  /// Bytes that replace what was painted last by `view` on a terminal of that size. A text of more
  /// rows than the terminal is shown around the cursor.
  std::string paint(const EditorView& view, size_t columns, size_t rows);
  /// Bytes that put the cursor below what was painted. The next paint starts afresh.
  std::string leave();
  /// Somebody else wrote or cleared the screen: the next paint starts where the cursor is.
  void forget() { shown_ = {}; }

 private:
  Rows shown_;
};

}  // namespace freehold::cli
