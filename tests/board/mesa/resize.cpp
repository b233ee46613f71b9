// panbo-gl-resize: a window whose frame somebody drags. In the first second of a burst the canvas and its depth buffer
// have another size in each frame; then the size stays.

#include <optional>

#include "tests/board/mesa/gl_context.h"
#include "tests/board/mesa/quad.h"
#include "tests/board/mesa/scene.h"

namespace panbo::test {
namespace {

constexpr int kDraggedFrames = 20;
constexpr int kStep = 16;

class Resize : public Scene {
 public:
  Resize() : icon_(64, 64, false), canvas_(std::in_place, 640, 360, true) {}

  void start() override { dragged_ = 0; }

  void draw() override {
    if (dragged_ < kDraggedFrames) {
      ++dragged_;
      grows_ = width_ <= 640 || (grows_ && width_ < 1280);
      width_ += grows_ ? kStep : -kStep;
      canvas_.emplace(width_, width_ * 9 / 16, true);
    }
    canvas_->bind();
    glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);
    for (int i = 0; i < 8; ++i) quad_.draw(icon_.texture(), -1 + 0.25F * static_cast<float>(i), -0.1F, 0.2F, 0.2F);
  }

 private:
  const Quad quad_;
  const Canvas icon_;
  std::optional<Canvas> canvas_;
  int width_ = 640;
  bool grows_ = true;
  int dragged_ = 0;
};

}  // namespace
}  // namespace panbo::test

int main(int argc, char** argv) {
  return panbo::test::play(argc, argv, [] { return std::make_unique<panbo::test::Resize>(); });
}
