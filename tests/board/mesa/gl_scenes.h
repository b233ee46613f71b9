// What panbo-gl-check draws. Each scene draws the same at every run, so that two runs can be compared.
#pragma once

#include <cstddef>
#include <cstdint>

namespace panbo::test {

/// Of bytes in their order (FNV-1a).
class Digest {
 public:
  void add(const void* bytes, size_t size);
  [[nodiscard]] uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325;
};

/// Called after each frame, with their number.
using FrameDone = void (*)(int frame);

// Each needs a current context, adds to the digest what it reads back, and throws std::runtime_error after a GL error.

/// A canvas that is cleared and drawn into, and read back, in each frame.
void draw_and_read_back(int frames, FrameDone done, Digest& digest);
/// Textures and buffers of many sizes are made, filled, read back and dropped. A frame is 16 of each, and one draw.
void churn(int frames, FrameDone done, Digest& digest);
/// Eight contexts that take turns, each with a canvas of its own. A frame is a turn of all.
void many_contexts(int frames, FrameDone done, Digest& digest);
/// A moving scene: new vertices in each frame, a read-back after the last.
void animate(int frames, FrameDone done, Digest& digest);

}  // namespace panbo::test
