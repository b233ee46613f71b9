// Nothing is rendered on a board, and what the driver gives a canvas is not cleared: its pixels are uploaded first, and
// must come back. With PAN_MESA_DEBUG=noafbc the driver needs no GPU for either.

#include "tests/board/mesa/gl_scenes.h"

#include <EGL/egl.h>
#include <EGL/eglext.h>

#include <array>
#include <deque>
#include <stdexcept>
#include <vector>

#include "tests/board/mesa/gl_context.h"

namespace panbo::test {
namespace {

constexpr int kCanvas = 128;
constexpr size_t kPixelBytes = 4;
constexpr int kContexts = 8;

constexpr const char* kVertexShader = R"(#version 300 es
layout(location = 0) in vec4 position;
void main() { gl_Position = position; })";

constexpr const char* kFragmentShader = R"(#version 300 es
precision mediump float;
out vec4 pixel;
void main() { pixel = vec4(1.0, 0.5, 0.25, 1.0); })";

std::vector<unsigned char> pattern(size_t size, int seed) {
  std::vector<unsigned char> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<unsigned char>(i * 7 + i / 251 + static_cast<size_t>(seed));
  return bytes;
}

void upload(GLuint texture, int width, int height, int seed) {
  const auto pixels = pattern(kPixelBytes * width * height, seed);
  glBindTexture(GL_TEXTURE_2D, texture);
  glTexSubImage2D(GL_TEXTURE_2D, 0, 0, 0, width, height, GL_RGBA, GL_UNSIGNED_BYTE, pixels.data());
}

void read_back(int width, int height, Digest& digest) {
  std::vector<unsigned char> pixels(kPixelBytes * width * height);
  glReadPixels(0, 0, width, height, GL_RGBA, GL_UNSIGNED_BYTE, pixels.data());
  digest.add(pixels.data(), pixels.size());
}

// A triangle strip whose vertices are new at each draw.
class Strip {
 public:
  explicit Strip(int vertices)
      : vertices_(vertices), program_(link_program(kVertexShader, kFragmentShader)), values_(size_t{4} * vertices) {
    glGenBuffers(1, &buffer_);
  }
  ~Strip() {
    glDeleteBuffers(1, &buffer_);
    glDeleteProgram(program_);
  }
  Strip(const Strip&) = delete;
  Strip& operator=(const Strip&) = delete;

  void draw(int frame) {
    for (size_t i = 0; i < values_.size(); ++i) {
      values_[i] = static_cast<float>((i * 37 + static_cast<size_t>(frame)) % 200) / 100 - 1;
    }
    glUseProgram(program_);
    glBindBuffer(GL_ARRAY_BUFFER, buffer_);
    glBufferData(GL_ARRAY_BUFFER, static_cast<GLsizeiptr>(values_.size() * sizeof(float)), values_.data(),
                 GL_STREAM_DRAW);
    glVertexAttribPointer(0, 4, GL_FLOAT, GL_FALSE, 0, nullptr);
    glEnableVertexAttribArray(0);
    glDrawArrays(GL_TRIANGLE_STRIP, 0, vertices_);
  }

 private:
  const int vertices_;
  const GLuint program_;
  GLuint buffer_ = 0;
  std::vector<float> values_;
};

void draw_frame(const Canvas& canvas, Strip& strip, int frame) {
  canvas.bind();
  glClearColor(0.5F, 0.25F, 0, 1);
  glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);
  strip.draw(frame);
}

// One texture, there and back, and out of use again when it is destroyed.
class FilledTexture {
 public:
  FilledTexture(int size, int seed, Digest& digest) : canvas_(size, size, false) {
    upload(canvas_.texture(), size, size, seed);
    canvas_.bind();
    read_back(size, size, digest);
  }

 private:
  Canvas canvas_;
};

void fill_buffer(size_t size, int seed, Digest& digest) {
  const auto bytes = pattern(size, seed);
  const auto gl_size = static_cast<GLsizeiptr>(size);
  GLuint buffer = 0;
  glGenBuffers(1, &buffer);
  glBindBuffer(GL_ARRAY_BUFFER, buffer);
  glBufferData(GL_ARRAY_BUFFER, gl_size, bytes.data(), GL_STATIC_DRAW);
  const void* mapped = glMapBufferRange(GL_ARRAY_BUFFER, 0, gl_size, GL_MAP_READ_BIT);
  if (mapped == nullptr) throw std::runtime_error("glMapBufferRange");
  digest.add(mapped, size);
  glUnmapBuffer(GL_ARRAY_BUFFER);
  glDeleteBuffers(1, &buffer);
}

// Beside the current one, of the same display.
class ExtraContext {
 public:
  ExtraContext() : display_(eglGetCurrentDisplay()) {
    const EGLint version[] = {EGL_CONTEXT_MAJOR_VERSION, 3, EGL_NONE};
    context_ = eglCreateContext(display_, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, version);
    if (context_ == EGL_NO_CONTEXT) throw std::runtime_error("eglCreateContext");
  }
  ~ExtraContext() { eglDestroyContext(display_, context_); }
  ExtraContext(const ExtraContext&) = delete;
  ExtraContext& operator=(const ExtraContext&) = delete;

  void make_current() const {
    if (!eglMakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, context_)) throw std::runtime_error("eglMakeCurrent");
  }

 private:
  EGLDisplay display_;
  EGLContext context_;
};

}  // namespace

void Digest::add(const void* bytes, size_t size) {
  const auto* from = static_cast<const unsigned char*>(bytes);
  for (size_t i = 0; i < size; ++i) value_ = (value_ ^ from[i]) * 0x100000001b3;
}

void draw_and_read_back(int frames, FrameDone done, Digest& digest) {
  const Canvas canvas(kCanvas, kCanvas, true);
  Strip strip(64);
  for (int frame = 1; frame <= frames; ++frame) {
    upload(canvas.texture(), kCanvas, kCanvas, frame);
    draw_frame(canvas, strip, frame);
    read_back(kCanvas, kCanvas, digest);
    check_gl("draw");
    done(frame);
  }
}

void churn(int frames, FrameDone done, Digest& digest) {
  constexpr int kSteps = 16;
  constexpr size_t kKept = 8;
  const Canvas canvas(kCanvas, kCanvas, false);
  Strip strip(64);
  std::deque<FilledTexture> textures;
  for (int frame = 1; frame <= frames; ++frame) {
    for (int step = 0; step < kSteps; ++step) {
      const int seed = frame * kSteps + step;
      textures.emplace_back(32 + 16 * (seed * 5 % 17), seed, digest);
      if (textures.size() > kKept) textures.pop_front();
      fill_buffer(1000 + 7919 * static_cast<size_t>(seed % 23), seed, digest);
    }
    draw_frame(canvas, strip, frame);
    glFlush();
    check_gl("churn");
    done(frame);
  }
}

void many_contexts(int frames, FrameDone done, Digest& digest) {
  struct Drawer {
    Drawer() : strip((context.make_current(), 64)), canvas(kCanvas, kCanvas, true) {}
    ExtraContext context;
    Strip strip;
    Canvas canvas;
  };
  const EGLContext first = eglGetCurrentContext();
  const EGLDisplay display = eglGetCurrentDisplay();
  std::deque<Drawer> drawers(kContexts);
  for (int frame = 1; frame <= frames; ++frame) {
    for (Drawer& drawer : drawers) {
      drawer.context.make_current();
      upload(drawer.canvas.texture(), kCanvas, kCanvas, frame);
      draw_frame(drawer.canvas, drawer.strip, frame);
      glFlush();
      check_gl("contexts");
    }
    for (Drawer& drawer : drawers) {
      drawer.context.make_current();
      drawer.canvas.bind();
      read_back(kCanvas, kCanvas, digest);
      check_gl("contexts");
    }
    done(frame);
  }
  // Each goes with its own context current.
  while (!drawers.empty()) {
    drawers.back().context.make_current();
    drawers.pop_back();
  }
  eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, first);
}

void animate(int frames, FrameDone done, Digest& digest) {
  const Canvas canvas(kCanvas, kCanvas, true);
  Strip strip(2000);
  upload(canvas.texture(), kCanvas, kCanvas, 0);
  for (int frame = 1; frame <= frames; ++frame) {
    draw_frame(canvas, strip, frame);
    glFlush();
    check_gl("animate");
    done(frame);
  }
  read_back(kCanvas, kCanvas, digest);
  check_gl("animate");
}

}  // namespace panbo::test
