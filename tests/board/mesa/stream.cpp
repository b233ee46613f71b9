// panbo-gl-stream: a moving scene. Each frame has new vertices, in a buffer whose old content the GPU may still read,
// so the driver takes a new BO for it, and many small draws, each with its own uniforms.

#include <array>
#include <cmath>
#include <vector>

#include "tests/board/mesa/gl_context.h"
#include "tests/board/mesa/scene.h"

namespace panbo::test {
namespace {

constexpr int kObjects = 40;
constexpr int kVerticesOfObject = 150;

constexpr const char* kVertexShader = R"(#version 300 es
layout(location = 0) in vec4 position;
uniform mat4 turn;
out vec3 colour;
void main() {
  colour = position.xyz * 0.5 + 0.5;
  gl_Position = turn * position;
})";

constexpr const char* kFragmentShader = R"(#version 300 es
precision mediump float;
in vec3 colour;
out vec4 pixel;
void main() { pixel = vec4(colour, 1.0); })";

class Stream : public Scene {
 public:
  Stream() : canvas_(640, 360, true), program_(link_program(kVertexShader, kFragmentShader)) {
    turn_ = glGetUniformLocation(program_, "turn");
    glGenBuffers(1, &buffer_);
    glEnable(GL_DEPTH_TEST);
  }

  void start() override {}

  void draw() override {
    canvas_.bind();
    glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);
    glUseProgram(program_);
    move_vertices();
    for (int object = 0; object < kObjects; ++object) {
      const float angle = 0.05F * static_cast<float>(frame_) + static_cast<float>(object);
      const float c = std::cos(angle);
      const float s = std::sin(angle);
      const std::array<float, 16> turn = {c, s, 0, 0, -s, c, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
      glUniformMatrix4fv(turn_, 1, GL_FALSE, turn.data());
      glDrawArrays(GL_TRIANGLES, object * kVerticesOfObject, kVerticesOfObject);
    }
    ++frame_;
  }

 private:
  void move_vertices() {
    const auto phase = static_cast<float>(frame_);
    for (size_t i = 0; i < vertices_.size(); ++i) {
      vertices_[i] = i % 4 == 3 ? 1 : std::sin(phase + static_cast<float>(i));
    }
    glBindBuffer(GL_ARRAY_BUFFER, buffer_);
    glBufferData(GL_ARRAY_BUFFER, static_cast<GLsizeiptr>(vertices_.size() * sizeof(float)), vertices_.data(),
                 GL_STREAM_DRAW);
    glVertexAttribPointer(0, 4, GL_FLOAT, GL_FALSE, 0, nullptr);
    glEnableVertexAttribArray(0);
  }

  const Canvas canvas_;
  const GLuint program_;
  GLint turn_ = 0;
  GLuint buffer_ = 0;
  int frame_ = 0;
  std::vector<float> vertices_ = std::vector<float>(size_t{4} * kObjects * kVerticesOfObject);
};

}  // namespace
}  // namespace panbo::test

int main(int argc, char** argv) {
  return panbo::test::play(argc, argv, [] { return std::make_unique<panbo::test::Stream>(); });
}
