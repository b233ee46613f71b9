// Nothing is shown, so there is neither a surface nor a configuration: EGL_KHR_surfaceless_context and
// EGL_KHR_no_config_context, which Mesa has on every driver.

#include "tests/board/mesa/gl_context.h"

#include <EGL/eglext.h>

#include <cstdio>
#include <stdexcept>

namespace panbo::test {
namespace {

void require(bool holds, const std::string& what) {
  if (holds) return;
  char code[32];
  std::snprintf(code, sizeof code, " (EGL error 0x%x)", static_cast<unsigned>(eglGetError()));
  throw std::runtime_error(what + code);
}

GLuint compile(GLenum stage, const char* source) {
  const GLuint shader = glCreateShader(stage);
  glShaderSource(shader, 1, &source, nullptr);
  glCompileShader(shader);
  GLint compiled = 0;
  glGetShaderiv(shader, GL_COMPILE_STATUS, &compiled);
  if (compiled == 0) {
    char log[1024] = "";
    glGetShaderInfoLog(shader, sizeof log, nullptr, log);
    throw std::runtime_error(std::string("a shader does not compile: ") + log);
  }
  return shader;
}

}  // namespace

GlContext::GlContext() {
  display_ = eglGetPlatformDisplay(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, nullptr);
  require(display_ != EGL_NO_DISPLAY, "no surfaceless display");
  require(eglInitialize(display_, nullptr, nullptr), "EGL does not start");
  require(eglBindAPI(EGL_OPENGL_ES_API), "no OpenGL ES");
  const EGLint version[] = {EGL_CONTEXT_MAJOR_VERSION, 3, EGL_NONE};
  context_ = eglCreateContext(display_, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, version);
  require(context_ != EGL_NO_CONTEXT, "no OpenGL ES 3");
  require(eglMakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, context_), "no context without a surface");
}

GlContext::~GlContext() {
  eglMakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
  eglDestroyContext(display_, context_);
  eglTerminate(display_);
}

std::string GlContext::renderer() const {
  return reinterpret_cast<const char*>(glGetString(GL_RENDERER));
}

Canvas::Canvas(int width, int height, bool with_depth) : width_(width), height_(height) {
  glGenTextures(1, &texture_);
  glBindTexture(GL_TEXTURE_2D, texture_);
  glTexStorage2D(GL_TEXTURE_2D, 1, GL_RGBA8, width, height);
  glGenFramebuffers(1, &framebuffer_);
  glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
  glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture_, 0);
  if (with_depth) {
    glGenRenderbuffers(1, &depth_);
    glBindRenderbuffer(GL_RENDERBUFFER, depth_);
    glRenderbufferStorage(GL_RENDERBUFFER, GL_DEPTH24_STENCIL8, width, height);
    glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_DEPTH_STENCIL_ATTACHMENT, GL_RENDERBUFFER, depth_);
  }
  if (glCheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE) {
    throw std::runtime_error("an incomplete framebuffer");
  }
  check_gl("Canvas");
}

// The names that were not made are 0, which GL ignores.
Canvas::~Canvas() {
  glDeleteFramebuffers(1, &framebuffer_);
  glDeleteRenderbuffers(1, &depth_);
  glDeleteTextures(1, &texture_);
}

void Canvas::bind() const {
  glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
  glViewport(0, 0, width_, height_);
}

GLuint link_program(const char* vertex_source, const char* fragment_source) {
  const GLuint vertex = compile(GL_VERTEX_SHADER, vertex_source);
  const GLuint fragment = compile(GL_FRAGMENT_SHADER, fragment_source);
  const GLuint program = glCreateProgram();
  glAttachShader(program, vertex);
  glAttachShader(program, fragment);
  glLinkProgram(program);
  glDeleteShader(vertex);
  glDeleteShader(fragment);
  GLint linked = 0;
  glGetProgramiv(program, GL_LINK_STATUS, &linked);
  if (linked == 0) {
    char log[1024] = "";
    glGetProgramInfoLog(program, sizeof log, nullptr, log);
    throw std::runtime_error(std::string("a program does not link: ") + log);
  }
  return program;
}

void check_gl(const char* where) {
  const GLenum error = glGetError();
  if (error == GL_NO_ERROR) return;
  char code[16];
  std::snprintf(code, sizeof code, "0x%x", error);
  throw std::runtime_error(std::string(where) + ": GL error " + code);
}

}  // namespace panbo::test
