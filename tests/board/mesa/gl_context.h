// OpenGL ES on a board, without a window system: what a program needs before it can draw.
#pragma once

#include <EGL/egl.h>
#include <GLES3/gl3.h>

#include <string>

namespace panbo::test {

/// OpenGL ES 3 on EGL_PLATFORM_SURFACELESS_MESA, current in the thread that made it, which is the one that must destroy
/// it. There is no window: draw into a Canvas.
class GlContext {
 public:
  /// Throws std::runtime_error: no EGL, or no such context.
  GlContext();
  ~GlContext();
  GlContext(const GlContext&) = delete;
  GlContext& operator=(const GlContext&) = delete;

  /// The driver's name for the GPU, such as "Mali-T860 (Panfrost)".
  [[nodiscard]] std::string renderer() const;

 private:
  EGLDisplay display_ = EGL_NO_DISPLAY;
  EGLContext context_ = EGL_NO_CONTEXT;
};

/// A framebuffer of its own RGBA texture, with a depth buffer if asked for. Needs a current context as long as it
/// lives.
class Canvas {
 public:
  /// Throws std::runtime_error: the driver cannot draw into such a one.
  Canvas(int width, int height, bool with_depth);
  ~Canvas();
  Canvas(const Canvas&) = delete;
  Canvas& operator=(const Canvas&) = delete;

  /// What is drawn from now on goes here.
  void bind() const;
  [[nodiscard]] GLuint texture() const { return texture_; }

 private:
  int width_;
  int height_;
  GLuint texture_ = 0;
  GLuint depth_ = 0;
  GLuint framebuffer_ = 0;
};

/// Compiles and links. Attribute locations are those of the source's layout(). Throws std::runtime_error with the
/// driver's log.
[[nodiscard]] GLuint link_program(const char* vertex_source, const char* fragment_source);

/// Throws std::runtime_error if a GL call failed since the last time; `where` is named in it.
void check_gl(const char* where);

}  // namespace panbo::test
