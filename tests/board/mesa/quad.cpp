#include "tests/board/mesa/quad.h"

namespace panbo::test {
namespace {

// The corners come from their numbers, so there is no vertex buffer.
constexpr const char* kVertexShader = R"(#version 300 es
uniform vec4 place;
out vec2 at;
void main() {
  at = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  gl_Position = vec4(place.xy + at * place.zw, 0.0, 1.0);
})";

constexpr const char* kFragmentShader = R"(#version 300 es
precision mediump float;
uniform sampler2D image;
in vec2 at;
out vec4 pixel;
void main() { pixel = texture(image, at); })";

}  // namespace

Quad::Quad() : program_(link_program(kVertexShader, kFragmentShader)), place_(glGetUniformLocation(program_, "place")) {
}

void Quad::draw(GLuint texture, float left, float bottom, float width, float height) const {
  glUseProgram(program_);
  glBindTexture(GL_TEXTURE_2D, texture);
  glUniform4f(place_, left, bottom, width, height);
  glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
}

}  // namespace panbo::test
