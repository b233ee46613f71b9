// Draws a textured rectangle.
#pragma once

#include "tests/board/mesa/gl_context.h"

namespace panbo::test {

/// Needs a current context.
class Quad {
 public:
  Quad();

  /// Draws the texture at that place; all of them between -1 and 1, y upward.
  void draw(GLuint texture, float left, float bottom, float width, float height) const;

 private:
  GLuint program_;
  GLint place_;
};

}  // namespace panbo::test
