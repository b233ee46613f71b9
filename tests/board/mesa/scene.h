// A program that draws at a steady rate in bursts, with pauses in which it does nothing.
#pragma once

#include <functional>
#include <memory>

namespace panbo::test {

class Scene {
 public:
  virtual ~Scene() = default;

  /// The first frame of a burst.
  virtual void start() = 0;
  /// One frame, up to what glFlush() would do.
  virtual void draw() = 0;
};

/// A main(): makes the scene with a GlContext current and lets it draw. The arguments are seconds: so long it draws,
/// then it pauses, and so on; fractions are allowed. Within a burst there are 20 frames a second; one that takes longer
/// delays those after it, and none are left out to catch up. Returns 1, with the reason on stderr, if anything fails.
int play(int argc, char** argv, const std::function<std::unique_ptr<Scene>()>& make);

}  // namespace panbo::test
