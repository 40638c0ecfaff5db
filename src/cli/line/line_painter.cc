#include "cli/line/line_painter.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/line/text_width.h"

namespace freehold::cli {

namespace {

constexpr std::string_view kTab = "    ";

/// Fills rows from left to right.
class RowFiller {
 public:
  RowFiller(Rows& rows, size_t columns) : rows_(rows), columns_(columns) { next_row(); }

  /// `cluster` of `width` columns, in the next row where this one has no room.
  void add(std::string_view cluster, size_t width) {
    if (rows_.columns.back() + width > columns_) next_row();
    rows_.rows.back() += cluster;
    rows_.columns.back() += width;
  }
  void add_text(std::string_view text) {
    while (!text.empty()) {
      const size_t bytes = first_cluster(text);
      const std::string_view cluster = text.substr(0, bytes);
      text.remove_prefix(bytes);
      if (cluster.front() == '\t') {
        for (const char& space : kTab) add(std::string_view(&space, 1), 1);
      } else {
        add(harmless_text(cluster), std::max<size_t>(text_columns(cluster), 1));
      }
    }
  }
  void next_row() {
    rows_.rows.emplace_back();
    rows_.columns.push_back(0);
  }
  void set_cursor() {
    if (rows_.columns.back() >= columns_) next_row();
    rows_.cursor_row = rows_.rows.size() - 1;
    rows_.cursor_column = rows_.columns.back();
  }

 private:
  Rows& rows_;
  size_t columns_;
};

/// Terminal rows that `painted` takes when the terminal breaks its rows at `columns`.
size_t folded(size_t painted, size_t columns) {
  return painted == 0 ? 1 : (painted + columns - 1) / columns;
}

std::string up(size_t rows) { return rows == 0 ? std::string() : fmt::format("\x1b[{}A", rows); }

}  // namespace

Rows lay_out(const EditorView& view, size_t columns) {
  Rows rows;
  RowFiller filler(rows, std::max<size_t>(columns, 2));
  filler.add_text(view.prompt);
  std::string_view rest = view.text;
  size_t at = 0;
  while (true) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    if (view.cursor >= at && view.cursor <= at + end) {
      filler.add_text(line.substr(0, view.cursor - at));
      filler.set_cursor();
      filler.add_text(line.substr(view.cursor - at));
    } else {
      filler.add_text(line);
    }
    if (end == rest.size()) return rows;
    filler.next_row();
    filler.add_text(view.continuation);
    rest.remove_prefix(end + 1);
    at += end + 1;
  }
}

std::string LinePainter::paint(const EditorView& view, size_t columns, size_t rows) {
  columns = std::max<size_t>(columns, 2);
  rows = std::max<size_t>(rows, 1);
  // A terminal that became narrower has folded what was painted.
  size_t above = shown_.cursor_column / columns;
  for (size_t row = 0; row < shown_.cursor_row; ++row)
    above += folded(shown_.columns[row], columns);
  std::string out = fmt::format("\r{}\x1b[J", up(above));

  Rows laid = lay_out(view, columns);
  const size_t first = laid.cursor_row < rows ? 0 : laid.cursor_row - rows + 1;
  const size_t count = std::min(rows, laid.rows.size() - first);
  shown_ = {};
  for (size_t row = first; row < first + count; ++row) {
    if (row > first) out += "\r\n";
    out += laid.rows[row];
    shown_.columns.push_back(laid.columns[row]);
    shown_.rows.emplace_back();
  }
  shown_.cursor_row = laid.cursor_row - first;
  shown_.cursor_column = laid.cursor_column;
  out += '\r';
  out += up(count - 1 - shown_.cursor_row);
  if (shown_.cursor_column > 0) out += fmt::format("\x1b[{}C", shown_.cursor_column);
  return out;
}

std::string LinePainter::leave() {
  const size_t below = shown_.rows.empty() ? 0 : shown_.rows.size() - 1 - shown_.cursor_row;
  forget();
  return (below == 0 ? std::string() : fmt::format("\x1b[{}B", below)) + "\r\n";
}

}  // namespace freehold::cli
