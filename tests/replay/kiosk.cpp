// A public display with three programs: the compositor, the player, and an application for visitors. The player shows
// slides, each blended over the one before, and every fourth time a video clip. Now and then a visitor touches the
// screen, and looks through some pages. In the end it is night, and nothing moves.

#include "tests/replay/generate.h"
#include "tests/replay/program.h"

namespace panbo::replay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kOpen = std::chrono::minutes(5);
constexpr Duration kBlend = seconds(1);

class Kiosk {
 public:
  explicit Kiosk(uint64_t seed)
      : random_(seed),
        compositor_(scene_, random_, {}, "compositor", {.least_slabs = 2, .most_slabs = 4}),
        player_(scene_, random_, milliseconds(300), "player", {.least_slabs = 4, .most_slabs = 8}),
        visitors_(scene_, random_, milliseconds(600), "visitors",
                  {.least_slabs = 10, .most_slabs = 20, .frames_per_stream = 10, .most_job = milliseconds(9)}) {
    player_.load(milliseconds(300), kScreen);
    for (int i = 0; i < 48; ++i) visitors_.load(milliseconds(600), kTile);
  }

  Trace generate() {
    Duration now = seconds(2);
    for (int shown = 1; now < kOpen; ++shown) {
      if (random_.one_in(4)) {
        now = visit(now);
      } else if (shown % 4 == 0) {
        now = show_clip(now);
      } else {
        now = show_slide(now);
      }
    }
    return {.name = "kiosk", .events = scene_.take_events()};
  }

 private:
  Duration show_slide(Duration now) {
    player_.load(now, kScreen);
    const Duration blended = now + kBlend;
    for (; now < blended; now += kFrame) draw(player_, now);
    player_.unload(blended);
    return blended + seconds(random_.between(6, 12));
  }

  Duration show_clip(Duration now) {
    const Duration end = now + seconds(random_.between(8, 15));
    for (bool new_picture = true; now < end; now += kFrame, new_picture = !new_picture) {
      if (new_picture) player_.repaint(now, kScreen * 3 / 8);
      draw(player_, now);
    }
    player_.drop_canvas(end);
    return end + seconds(1);
  }

  Duration visit(Duration now) {
    for (uint64_t page = random_.between(2, 6); page > 0; --page) {
      const size_t tiles = visitors_.textures();
      for (size_t i = 0; i < tiles; ++i) visitors_.load(now, kTile);
      for (size_t i = 0; i < tiles; ++i) visitors_.unload(now + milliseconds(300));
      const Duration end = now + milliseconds(random_.between(500, 2500));
      for (; now < end; now += kFrame) draw(visitors_, now);
      now += milliseconds(random_.between(1000, 5000));
    }
    return now + seconds(random_.between(3, 10));
  }

  void draw(Program& program, Duration now) {
    program.draw(now);
    compositor_.draw(now + milliseconds(7));
  }

  sim::Random random_;
  Scene scene_;
  Program compositor_;
  Program player_;
  Program visitors_;
};

}  // namespace

Trace generate_kiosk(uint64_t seed) {
  return Kiosk(seed).generate();
}

}  // namespace panbo::replay
