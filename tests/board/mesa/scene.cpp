#include "tests/board/mesa/scene.h"

#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>

#include "tests/board/mesa/gl_context.h"

namespace panbo::test {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr auto kFrame = std::chrono::milliseconds(50);

void draw_for(Clock::duration length, Scene& scene) {
  const auto end = Clock::now() + length;
  scene.start();
  for (auto next = Clock::now(); next < end;) {
    scene.draw();
    glFlush();
    check_gl("draw");
    next = std::max(next + kFrame, Clock::now());
    std::this_thread::sleep_until(next);
  }
}

}  // namespace

int play(int argc, char** argv, const std::function<std::unique_ptr<Scene>()>& make) {
  try {
    const GlContext context;
    const auto scene = make();
    for (int i = 1; i < argc; ++i) {
      const auto length = std::chrono::duration_cast<Clock::duration>(Seconds(std::stod(argv[i])));
      if (i % 2 == 1) {
        draw_for(length, *scene);
      } else {
        std::this_thread::sleep_for(length);
      }
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}

}  // namespace panbo::test
