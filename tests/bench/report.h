// What panbo-bench prints: a table for each question, and whether what is promised holds.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace panbo::bench {

struct Line {
  /// For people.
  std::string what;
  double value = 0;
  /// To another line of the same run, mostly the first one.
  std::optional<double> ratio;
  /// The bar, for the ratio if there is one, else for the value. Nothing: the line is there to compare with.
  std::optional<double> at_most;

  [[nodiscard]] bool met() const { return !at_most || ratio.value_or(value) <= *at_most; }
};

struct Report {
  /// The question, and how it was measured.
  std::string title;
  /// Of the values.
  std::string unit;
  std::vector<Line> lines;

  [[nodiscard]] bool met() const;
};

/// Lines for a terminal.
[[nodiscard]] std::string table_of(const Report& report);

/// An array of what the tables say.
[[nodiscard]] std::string json_of(const std::vector<Report>& reports);

}  // namespace panbo::bench
