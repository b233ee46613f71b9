// Ratios come first: on a shared machine times change from one minute to the next, for all lines alike.

#include "tests/bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace panbo::bench {
namespace {

std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{:.2f}", *value) : "";
}

std::string verdict(const Line& line) {
  if (!line.at_most) return "";
  return fmt::format("at most {:g}: {}", *line.at_most, line.met() ? "met" : "MISSED");
}

}  // namespace

bool Report::met() const {
  return std::all_of(lines.begin(), lines.end(), [](const Line& line) { return line.met(); });
}

std::string table_of(const Report& report) {
  std::string text = fmt::format("{}\n\n{:>7}  {:>12}  {:<20}\n", report.title, "ratio", report.unit, "bar");
  for (const Line& line : report.lines) {
    text += fmt::format("{:>7}  {:>12.1f}  {:<20}  {}\n", number(line.ratio), line.value, verdict(line), line.what);
  }
  return text;
}

std::string json_of(const std::vector<Report>& reports) {
  auto all = nlohmann::ordered_json::array();
  for (const Report& report : reports) {
    nlohmann::ordered_json out = {{"title", report.title}, {"unit", report.unit}, {"met", report.met()}};
    for (const Line& line : report.lines) {
      nlohmann::ordered_json row = {{"what", line.what}, {"value", line.value}};
      if (line.ratio) row["ratio"] = *line.ratio;
      if (line.at_most) row.update({{"at_most", *line.at_most}, {"met", line.met()}});
      out["lines"].push_back(std::move(row));
    }
    all.push_back(std::move(out));
  }
  return all.dump(2) + '\n';
}

}  // namespace panbo::bench
