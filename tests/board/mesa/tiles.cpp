// panbo-gl-tiles: a page that is scrolled. It is drawn from tiles, textures of 256 × 256 pixels. In every fourth frame
// a row of tiles comes into view and another goes; each burst begins with a new page, for which all tiles are made
// anew.

#include <deque>
#include <vector>

#include "tests/board/mesa/gl_context.h"
#include "tests/board/mesa/quad.h"
#include "tests/board/mesa/scene.h"

namespace panbo::test {
namespace {

constexpr int kTile = 256;
constexpr int kColumns = 4;
constexpr int kRows = 4;
constexpr int kFramesPerRow = 4;

class Tiles : public Scene {
 public:
  Tiles() : canvas_(kTile * kColumns, kTile * (kRows - 1), false) {}

  void start() override {
    while (!tiles_.empty()) drop_row();
    for (int row = 0; row < kRows; ++row) load_row();
  }

  void draw() override {
    if (++frame_ % kFramesPerRow == 0) {
      drop_row();
      load_row();
    }
    canvas_.bind();
    glClear(GL_COLOR_BUFFER_BIT);
    const float width = 2.0F / kColumns;
    const float height = 2.0F / (kRows - 1);
    const float scrolled = height * static_cast<float>(frame_ % kFramesPerRow) / kFramesPerRow;
    for (size_t i = 0; i < tiles_.size(); ++i) {
      const auto column = static_cast<float>(i % kColumns);
      const auto row = static_cast<float>(i / kColumns);
      quad_.draw(tiles_[i], column * width - 1, 1 - (row + 1) * height + scrolled, width, height);
    }
  }

 private:
  void load_row() {
    for (int i = 0; i < kColumns; ++i) {
      GLuint tile = 0;
      glGenTextures(1, &tile);
      glBindTexture(GL_TEXTURE_2D, tile);
      glTexStorage2D(GL_TEXTURE_2D, 1, GL_RGBA8, kTile, kTile);
      glTexSubImage2D(GL_TEXTURE_2D, 0, 0, 0, kTile, kTile, GL_RGBA, GL_UNSIGNED_BYTE, pixels_.data());
      glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_LINEAR);
      tiles_.push_back(tile);
    }
  }

  void drop_row() {
    for (int i = 0; i < kColumns; ++i) {
      glDeleteTextures(1, &tiles_.front());
      tiles_.pop_front();
    }
  }

  const Canvas canvas_;
  const Quad quad_;
  const std::vector<unsigned char> pixels_ = std::vector<unsigned char>(size_t{4} * kTile * kTile, 0x80);
  std::deque<GLuint> tiles_;
  int frame_ = 0;
};

}  // namespace
}  // namespace panbo::test

int main(int argc, char** argv) {
  return panbo::test::play(argc, argv, [] { return std::make_unique<panbo::test::Tiles>(); });
}
