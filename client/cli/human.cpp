#include "client/cli/human.h"

#include <fmt/format.h>
#include <utf8.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "proto/printable.h"

namespace panbo::cli {

std::string human_bytes(uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  // What would be rounded up to 1024.0 belongs to the next unit.
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string human_count(uint64_t count) {
  std::string text = std::to_string(count);
  for (size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

std::string human_share(uint64_t part, uint64_t whole) {
  if (whole == 0) return "-";
  return fmt::format("{:.1f} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string printable(std::string_view text, size_t max_width) {
  constexpr std::string_view kEllipsis = "…";
  std::string valid;
  utf8::replace_invalid(text.begin(), text.end(), std::back_inserter(valid));

  std::string out;
  size_t width = 0;
  // Where to cut if the rest turns out to be too long: one column is for the ellipsis.
  size_t cut = 0;
  for (auto at = valid.begin(); at != valid.end();) {
    const auto start = at;
    const std::string escape = escape_of(utf8::next(at, valid.end()));
    width += escape.empty() ? 1 : escape.size();
    out += escape.empty() ? std::string(start, at) : escape;
    if (width < max_width) cut = out.size();
    if (width > max_width) return out.substr(0, cut).append(kEllipsis);
  }
  return out;
}

std::string Table::text() const {
  const auto width = [](const std::string& cell) {
    return static_cast<size_t>(utf8::distance(cell.begin(), cell.end()));
  };
  std::vector<size_t> widths(columns_.size(), 0);
  for (const Row& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  // No trailing blanks.
  if (columns_.back() == Column::kText) widths.back() = 0;

  std::string out;
  for (const Row& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string_view gap = i == 0 ? "" : "  ";
      const std::string padding(widths[i] - std::min(widths[i], width(row[i])), ' ');
      out += gap;
      out += columns_[i] == Column::kText ? row[i] + padding : padding + row[i];
    }
    out += '\n';
  }
  return out;
}

}  // namespace panbo::cli
