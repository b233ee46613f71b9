// panbo-gl-check SCENE FRAMES [PAUSE...]: draws a scene, and prints one line that says what came back. After each of
// the PAUSE frames it prints "paused" and waits for a line on stdin. Exit status 1 and the reason on stderr: a GL
// error.

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/board/mesa/gl_context.h"
#include "tests/board/mesa/gl_scenes.h"

namespace {

using namespace panbo::test;

std::vector<int> pauses;

void pause_after(int frame) {
  if (std::ranges::find(pauses, frame) == pauses.end()) return;
  std::cout << "paused" << std::endl;
  std::string line;
  std::getline(std::cin, line);
}

using Scene = void (*)(int frames, FrameDone done, Digest& digest);

Scene scene_named(const std::string& name) {
  if (name == "draw") return draw_and_read_back;
  if (name == "churn") return churn;
  if (name == "contexts") return many_contexts;
  if (name == "animate") return animate;
  throw std::runtime_error("the scenes are draw, churn, contexts and animate");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 3) throw std::runtime_error("usage: panbo-gl-check SCENE FRAMES [PAUSE...]");
    const Scene scene = scene_named(argv[1]);
    const int frames = std::stoi(argv[2]);
    for (int i = 3; i < argc; ++i) pauses.push_back(std::stoi(argv[i]));
    const GlContext context;
    Digest digest;
    scene(frames, pause_after, digest);
    std::printf("%s on %s: %d frames, read back %016lx\n", argv[1], context.renderer().c_str(), frames,
                static_cast<unsigned long>(digest.value()));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "panbo-gl-check: %s\n", error.what());
    return 1;
  }
}
