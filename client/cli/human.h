// Numbers and texts as people read them in a terminal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace panbo::cli {

/// "0 B", "4.0 KiB", "1.5 MiB".
[[nodiscard]] std::string human_bytes(uint64_t bytes);

/// "1,234,567".
[[nodiscard]] std::string human_count(uint64_t count);

/// "12.5 %"; "-" of nothing.
[[nodiscard]] std::string human_share(uint64_t part, uint64_t whole);

/// A text from somebody else, so that it does nothing to a terminal but appear: control characters and those that turn
/// the direction of writing are escaped, as is the backslash; bytes that are no UTF-8 are replaced. One that would be
/// wider than `max_width` columns ends with an ellipsis.
[[nodiscard]] std::string printable(std::string_view text, size_t max_width = std::string_view::npos);

/// Aligned columns: those of `kText` to the left, those of `kNumber` to the right.
class Table {
 public:
  enum class Column { kText, kNumber };
  using Row = std::vector<std::string>;

  Table(std::vector<Column> columns, Row titles) : columns_(std::move(columns)), rows_{std::move(titles)} {}
  /// As many cells as there are columns.
  void add(Row row) { rows_.push_back(std::move(row)); }

  /// Lines, each with its end. Cells are valid UTF-8.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace panbo::cli
