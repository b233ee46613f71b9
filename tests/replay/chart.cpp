// Plain SVG: lines, polylines and texts. Colours are set in a style sheet that follows the reader's choice of light or
// dark (prefers-color-scheme), and the picture has a ground of its own, since the page around may not. Each policy has
// a colour that colour-blind readers can tell from the others (Okabe and Ito) and a dash of its own.
//
// The scale of each panel is its own: the traces' peaks are far apart. Time runs beyond the last event, where a line
// marks the beginning of idleness: what is to the right of it is what an idle system holds.

#include "tests/replay/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace panbo::replay {
namespace {

constexpr double kWidth = 900;
constexpr double kLeft = 70;
constexpr double kRight = 20;
constexpr double kPanel = 210;
constexpr double kTitle = 34;
constexpr double kTimes = 46;
constexpr double kLegend = 34;
constexpr double kPlotWidth = kWidth - kLeft - kRight;
constexpr int kTicks = 4;

constexpr const char* kStyle = R"(<style>
  .ground { fill: #fff; }
  text { font: 13px sans-serif; fill: #333; }
  .title { font-weight: bold; font-size: 15px; }
  .grid { stroke: #999; stroke-opacity: 0.35; }
  .idle { stroke: #777; stroke-dasharray: 2 3; }
  .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
  .c0 { stroke: #0072b2; stroke-width: 2.4; }
  .c1 { stroke: #d55e00; stroke-dasharray: 7 3; }
  .c2 { stroke: #009e73; stroke-dasharray: 3 2; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #15191f; }
    text { fill: #ddd; }
    .grid { stroke: #aaa; }
    .idle { stroke: #bbb; }
    .c0 { stroke: #56b4e9; }
    .c1 { stroke: #e69f00; }
    .c2 { stroke: #2fd6a5; }
  }
</style>
)";

/// The least of 1, 2, 5, 10, 20 … that divides `most` into at most kTicks steps.
double tick_step(double most) {
  const double least = std::max(most, 1.0) / kTicks;
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least) return factor * power;
  }
  return 10 * power;
}

double seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

double mib(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

class Chart {
 public:
  explicit Chart(const std::vector<TraceResult>& results) : results_(results) {}

  std::string draw() {
    const double height = kLegend + static_cast<double>(results_.size()) * (kTitle + kPanel + kTimes);
    say("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\">\n", kWidth, height);
    say("<title>Cached bytes over time, by policy</title>\n");
    svg_ += kStyle;
    say("<rect class=\"ground\" width=\"{}\" height=\"{}\"/>\n", kWidth, height);
    legend();
    double top = kLegend;
    for (const TraceResult& result : results_) {
      panel(result, top + kTitle);
      top += kTitle + kPanel + kTimes;
    }
    svg_ += "</svg>\n";
    return std::move(svg_);
  }

 private:
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(svg_), format, std::forward<Args>(args)...);
  }

  void line(const char* style, double x1, double y1, double x2, double y2) {
    say("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", style, x1, y1, x2, y2);
  }
  void text(double x, double y, const char* anchor, const std::string& what, const char* style = "") {
    say("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", style, x, y, anchor, what);
  }

  void legend() {
    double x = kLeft;
    size_t index = 0;
    for (const PolicyResult& policy : results_.front().policies) {
      line(curve_style(index++).c_str(), x, 18, x + 36, 18);
      text(x + 44, 22, "start", policy.policy);
      x += 180;
    }
  }

  void panel(const TraceResult& result, double top) {
    const Curve& first = result.policies.front().played.curve;
    const double length = seconds(first.span) * static_cast<double>(first.most.size());
    uint64_t peak = 0;
    for (const PolicyResult& policy : result.policies) peak = std::max(peak, policy.played.metrics.peak_cached);
    const double step = tick_step(mib(peak));
    const double most = step * std::max(1.0, std::ceil(mib(peak) / step));
    const double bottom = top + kPanel;
    const auto y_of = [&](double value) { return bottom - value / most * kPanel; };
    const auto x_of = [&](double time) { return kLeft + time / length * kPlotWidth; };

    text(kLeft, top - 12, "start", result.trace + ": cached, in MiB", "title");
    for (double value = 0; value <= most * 1.001; value += step) {
      line("grid", kLeft, y_of(value), kWidth - kRight, y_of(value));
      text(kLeft - 8, y_of(value) + 4, "end", fmt::format("{:g}", value));
    }
    const double time_step = tick_step(length / 2);
    for (double time = 0; time <= length; time += time_step) {
      text(x_of(time), bottom + 18, "middle", fmt::format("{:g}", time));
    }
    text(kWidth - kRight, bottom + 36, "end", "time in s");
    const double idle = x_of(seconds(result.length));
    line("idle", idle, top, idle, bottom);
    text(idle - 6, top + 12, "end", "all idle from here");
    for (size_t i = result.policies.size(); i-- > 0;) {
      curve(result.policies[i].played.curve, curve_style(i), y_of);
    }
  }

  template <class YOf>
  void curve(const Curve& curve, const std::string& style, YOf y_of) {
    say("<polyline class=\"{}\" points=\"", style);
    for (size_t i = 0; i < curve.most.size(); ++i) {
      const double x = kLeft + (static_cast<double>(i) + 0.5) / static_cast<double>(curve.most.size()) * kPlotWidth;
      say("{:.1f},{:.1f} ", x, y_of(mib(curve.most[i])));
    }
    svg_ += "\"/>\n";
  }

  static std::string curve_style(size_t index) { return fmt::format("curve c{}", index % 3); }

  const std::vector<TraceResult>& results_;
  std::string svg_;
};

}  // namespace

std::string chart_of(const std::vector<TraceResult>& results) {
  return Chart(results).draw();
}

}  // namespace panbo::replay
