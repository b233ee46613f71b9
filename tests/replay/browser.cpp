// A browser in which each tab is a process that draws for itself, beside the browser's own window and the compositor.
// A tab loads its page, is scrolled in bursts, and when the user turns to another it drops its tiles after two seconds.
// A tab that is turned to again makes its tiles anew. Tabs are opened and closed; then the user leaves.

#include <list>

#include "tests/replay/generate.h"
#include "tests/replay/program.h"

namespace panbo::replay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLength = std::chrono::minutes(5);
constexpr size_t kMostTabs = 12;
constexpr FrameCost kTabCost = {
    .least_slabs = 8, .most_slabs = 20, .frames_per_stream = 8, .most_job = milliseconds(9)};

class Browser {
 public:
  explicit Browser(uint64_t seed)
      : random_(seed),
        compositor_(scene_, random_, {}, "compositor", {.least_slabs = 3, .most_slabs = 6}),
        window_(scene_, random_, milliseconds(200), "browser", {.least_slabs = 3, .most_slabs = 6}) {}

  Trace generate() {
    Duration now = seconds(1);
    Program* shown = nullptr;
    while (now < kLength) {
      if (shown != nullptr) hide(*shown, now + seconds(2));
      if (tabs_.size() > 3 && random_.one_in(6)) close_one(now + seconds(3), shown);
      shown = tabs_.size() < 3 || (tabs_.size() < kMostTabs && random_.one_in(3)) ? &open(now) : &some_tab();
      show(*shown, now);
      now = read(*shown, now);
    }
    return {.name = "browser", .events = scene_.take_events()};
  }

 private:
  Program& open(Duration now) {
    return tabs_.emplace_back(scene_, random_, now, "tab " + std::to_string(++opened_), kTabCost);
  }

  Program& some_tab() { return *std::next(tabs_.begin(), static_cast<ptrdiff_t>(random_.below(tabs_.size()))); }

  // A tab that is not the one just hidden, whose tiles are still to go.
  void close_one(Duration at, const Program* hidden) {
    for (auto tab = tabs_.begin(); tab != tabs_.end(); ++tab) {
      if (&*tab == hidden) continue;
      tab->quit(at);
      tabs_.erase(tab);
      return;
    }
  }

  // The tiles of the page, a row in each frame.
  void show(Program& tab, Duration now) {
    const uint64_t rows = random_.between(5, 14);
    for (uint64_t row = 0; row < rows; ++row) {
      for (int i = 0; i < 8; ++i) tab.load(now + kFrame * static_cast<int64_t>(row), kTile);
    }
  }

  void hide(Program& tab, Duration at) {
    while (tab.textures() > 0) tab.unload(at);
  }

  Duration read(Program& tab, Duration now) {
    const Duration end = now + seconds(random_.between(4, 20));
    while (now < end) {
      const Duration pause = now + milliseconds(random_.between(400, 2500));
      for (; now < pause; now += kFrame) {
        if (random_.one_in(5)) scroll(tab, now);
        tab.draw(now);
        if (random_.one_in(10)) window_.draw(now + milliseconds(2));
        compositor_.draw(now + milliseconds(7));
      }
      now += milliseconds(random_.between(500, 5000));
    }
    return now;
  }

  // A row of tiles comes into view, another goes.
  void scroll(Program& tab, Duration now) {
    for (int i = 0; i < 8; ++i) tab.load(now, kTile);
    for (int i = 0; i < 8; ++i) tab.unload(now + milliseconds(4));
  }

  sim::Random random_;
  Scene scene_;
  Program compositor_;
  Program window_;
  std::list<Program> tabs_;
  int opened_ = 0;
};

}  // namespace

Trace generate_browser(uint64_t seed) {
  return Browser(seed).generate();
}

}  // namespace panbo::replay
