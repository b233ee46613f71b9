// Plain SVG whose colours follow the reader's choice of light or dark. The scale begins at the power of ten below the
// least value and ends at the one above the largest, so that no bar is without length.

#include "tests/bench/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace panbo::bench {
namespace {

constexpr double kWidth = 900;
constexpr double kMargin = 20;
constexpr double kTop = 50;
constexpr double kRow = 40;
constexpr double kBar = 12;
constexpr double kScale = kWidth - 2 * kMargin - 170;

constexpr const char* kStyle = R"(<style>
  .ground { fill: #fff; }
  text { font: 13px sans-serif; fill: #333; }
  .title { font-weight: bold; font-size: 15px; }
  .bar { fill: #0072b2; }
  .missed { fill: #d55e00; }
  .grid { stroke: #999; stroke-opacity: 0.35; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #15191f; }
    text { fill: #ddd; }
    .bar { fill: #56b4e9; }
    .missed { fill: #e69f00; }
  }
</style>
)";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string label(const Line& line, const std::string& unit) {
  std::string text = fmt::format("{:.1f} {}", line.value, unit);
  if (line.ratio) text += fmt::format(", ratio {:.2f}", *line.ratio);
  return text;
}

}  // namespace

std::string picture_of(const Report& report) {
  const auto by_value = [](const Line& a, const Line& b) { return a.value < b.value; };
  const auto [least, most] = std::minmax_element(report.lines.begin(), report.lines.end(), by_value);
  const double from = std::floor(std::log10(std::max(least->value, 0.01)) - 0.001);
  const double to = std::ceil(std::log10(std::max(most->value, 0.1)));
  const double height = kTop + kRow * static_cast<double>(report.lines.size()) + 30;

  std::string svg;
  const auto say = [&svg]<class... Args>(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(svg), format, std::forward<Args>(args)...);
  };
  const auto length_of = [&](double exponent) { return (exponent - from) / (to - from) * kScale; };
  say("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\">\n", kWidth, height);
  say("<title>{}</title>\n{}", escaped(report.title), kStyle);
  say("<rect class=\"ground\" width=\"{}\" height=\"{}\"/>\n", kWidth, height);
  say("<text class=\"title\" x=\"{}\" y=\"26\">{}, in {}</text>\n", kMargin, escaped(report.title), report.unit);
  for (double exponent = from; exponent <= to; ++exponent) {
    const double x = kMargin + length_of(exponent);
    say("<line class=\"grid\" x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\"/>\n", x, kTop - 10, height - 24);
    say("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:g}</text>\n", x, height - 8, std::pow(10, exponent));
  }
  double y = kTop;
  for (const Line& line : report.lines) {
    const double length = length_of(std::log10(std::max(line.value, 0.01)));
    say("<text x=\"{}\" y=\"{}\">{}</text>\n", kMargin + 4, y + 10, escaped(line.what));
    say("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\"/>\n", line.met() ? "bar" : "missed",
        kMargin, y + 16, length, kBar);
    say("<text x=\"{:.1f}\" y=\"{}\">{}</text>\n", kMargin + length + 8, y + 26, label(line, report.unit));
    y += kRow;
  }
  svg += "</svg>\n";
  return svg;
}

}  // namespace panbo::bench
