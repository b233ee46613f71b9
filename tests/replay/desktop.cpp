// One user, 12 programs: the compositor, which draws whenever somebody else does; a panel with a clock; and ten
// windows. The user works with one window at a time, in bursts (scrolling, typing, dragging) with pauses to read, now
// and then resizes the window, and sometimes goes for a coffee.

#include <array>

#include "tests/replay/generate.h"
#include "tests/replay/program.h"

namespace panbo::replay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLength = std::chrono::minutes(5);

enum class Habit { kText, kPage, kPictures, kVideo, kScene };

struct Window {
  const char* name;
  Habit habit;
  FrameCost cost;
};

constexpr std::array<Window, 10> kWindows = {{
    {"terminal", Habit::kText, {.least_slabs = 2, .most_slabs = 4}},
    {"editor", Habit::kText, {.least_slabs = 4, .most_slabs = 8}},
    {"browser", Habit::kPage, {.least_slabs = 10, .most_slabs = 24, .most_job = milliseconds(9)}},
    {"mail", Habit::kPage, {.least_slabs = 6, .most_slabs = 12}},
    {"files", Habit::kText, {.least_slabs = 4, .most_slabs = 8}},
    {"pictures", Habit::kPictures, {.least_slabs = 3, .most_slabs = 6}},
    {"music", Habit::kText, {.least_slabs = 3, .most_slabs = 6}},
    {"video", Habit::kVideo, {.least_slabs = 3, .most_slabs = 5}},
    {"maps", Habit::kPage, {.least_slabs = 20, .most_slabs = 40, .frames_per_stream = 4, .most_job = milliseconds(11)}},
    {"game",
     Habit::kScene,
     {.least_slabs = 30, .most_slabs = 60, .frames_per_stream = 2, .most_job = milliseconds(13)}},
}};

class Desktop {
 public:
  explicit Desktop(uint64_t seed)
      : random_(seed),
        compositor_(scene_, random_, {}, "compositor", {.least_slabs = 3, .most_slabs = 6}),
        panel_(scene_, random_, milliseconds(100), "panel", {}) {
    Duration at = milliseconds(200);
    for (const Window& window : kWindows) {
      windows_.emplace_back(scene_, random_, at, window.name, window.cost);
      for (int i = 0; i < 24; ++i) windows_.back().load(at, kTile);
      windows_.back().repaint(at, kScreen / 2);
      at += milliseconds(50);
    }
  }

  Trace generate() {
    for (Duration minute{}; minute < kLength; minute += std::chrono::minutes(1)) {
      panel_.draw(minute + milliseconds(500));
      compositor_.draw(minute + milliseconds(520));
    }
    Duration now = seconds(2);
    while (now < kLength) {
      now = use(random_.below(kWindows.size()), now, some(seconds(4), seconds(25)));
      if (random_.one_in(5)) now += some(seconds(15), seconds(40));
    }
    return {.name = "desktop", .events = scene_.take_events()};
  }

 private:
  Duration some(Duration least, Duration most) {
    return Duration(random_.between(static_cast<uint64_t>(least.count()), static_cast<uint64_t>(most.count())));
  }

  // The user works with a window; returns when that ends.
  Duration use(size_t index, Duration from, Duration length) {
    Program& window = windows_[index];
    const Habit habit = kWindows[index].habit;
    Duration now = from;
    if (random_.one_in(3)) now = resize(window, now);
    while (now < from + length) {
      const bool steady = habit == Habit::kVideo || habit == Habit::kScene;
      const Duration burst = steady ? length : some(milliseconds(300), seconds(3));
      for (const Duration end = now + burst; now < end; now += kFrame) frame(window, habit, now);
      if (!steady) now += some(milliseconds(400), seconds(4));
    }
    return now;
  }

  void frame(Program& window, Habit habit, Duration now) {
    switch (habit) {
      case Habit::kPage:
        // A row of tiles comes into view, another goes.
        if (random_.one_in(4)) {
          for (int i = 0; i < 6; ++i) window.load(now, kTile);
          for (int i = 0; i < 6; ++i) window.unload(now + milliseconds(4));
        }
        break;
      case Habit::kPictures:
        if (random_.one_in(90)) window.repaint(now, random_.between(8, 48) * kMiB);
        break;
      case Habit::kVideo:
        // A film of 1920 × 1080 in 30 pictures a second.
        if (random_.one_in(2)) window.repaint(now, kScreen * 3 / 8);
        break;
      case Habit::kText:
      case Habit::kScene:
        break;
    }
    window.draw(now);
    compositor_.draw(now + milliseconds(7));
  }

  // Each step has its own size of depth buffer.
  Duration resize(Program& window, Duration now) {
    const uint64_t height = random_.between(400, 1080);
    uint64_t width = random_.between(400, 1200);
    for (int step = 0; step < 40; ++step, now += kFrame) {
      width += random_.between(4, 16);
      window.repaint(now, width * height * 4);
      window.draw(now);
      compositor_.draw(now + milliseconds(7));
    }
    return now;
  }

  sim::Random random_;
  Scene scene_;
  Program compositor_;
  Program panel_;
  std::deque<Program> windows_;
};

}  // namespace

Trace generate_desktop(uint64_t seed) {
  return Desktop(seed).generate();
}

}  // namespace panbo::replay
