// A program that draws, as Mesa's panfrost driver turns that into BOs.
//
// What it has for as long as it runs: the tiler's heap (128 MiB, which the GPU populates as it goes), shaders
// (executable), and its textures. What each frame takes and gives back when it is submitted, busy until the GPU is
// done: slabs of 64 KiB for descriptors and varyings, and now and then a streaming buffer of 1 MiB for vertices and
// uploads. Window buffers are left out: they are shared with the compositor, and Mesa does not cache what is shared.
#pragma once

#include <deque>
#include <optional>

#include "tests/replay/scene.h"
#include "tests/sim/random.h"

namespace panbo::replay {

/// What a frame of a program takes.
struct FrameCost {
  /// Slabs of 64 KiB, least and most.
  uint64_t least_slabs = 2;
  uint64_t most_slabs = 4;
  /// One frame in so many also takes a streaming buffer.
  uint64_t frames_per_stream = 30;
  /// How long the GPU is busy with it, least and most.
  Duration least_job = std::chrono::milliseconds(2);
  Duration most_job = std::chrono::milliseconds(6);
};

class Program {
 public:
  /// `scene` and `random` must outlive it.
  Program(Scene& scene, sim::Random& random, Duration start, const std::string& name, const FrameCost& cost);

  /// One frame.
  void draw(Duration at);
  /// Frames at 60 Hz.
  void animate(Duration from, Duration length);

  /// Adds a texture.
  void load(Duration at, uint64_t size);
  /// Drops the oldest texture, which the last frame used; nothing if there is none.
  void unload(Duration at);
  [[nodiscard]] size_t textures() const { return textures_.size(); }
  /// Writes its canvas (a video's picture, a window's depth buffer) anew as a whole, at that size, while the GPU still
  /// reads the old one: the driver takes a new BO and drops the old one.
  void repaint(Duration at, uint64_t size);
  /// Drops the canvas; nothing if there is none.
  void drop_canvas(Duration at);

  /// It ends, with all that it has.
  void quit(Duration at);

 private:
  [[nodiscard]] Duration job();

  Scene& scene_;
  sim::Random& random_;
  const FrameCost cost_;
  const uint32_t client_;
  std::deque<SceneBo> textures_;
  std::optional<SceneBo> canvas_;
};

inline constexpr Duration kFrame = std::chrono::microseconds(16'667);
inline constexpr uint64_t kKiB = 1024;
inline constexpr uint64_t kMiB = uint64_t{1} << 20;
/// A full-screen buffer of 1920 × 1080 pixels of 4 bytes.
inline constexpr uint64_t kScreen = uint64_t{1920} * 1080 * 4;
/// A tile of a page, 256 × 256 pixels of 4 bytes.
inline constexpr uint64_t kTile = 256 * kKiB;

}  // namespace panbo::replay
