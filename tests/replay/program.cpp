#include "tests/replay/program.h"

#include "daemon/service/alloc_flags.h"

namespace panbo::replay {
namespace {

// Sizes: pan_device.c (tiler heap), pan_context.c and pan_pool.c (slabs), u_upload_mgr (streams) in Mesa.
constexpr uint64_t kTilerHeap = 128 * kMiB;
constexpr uint64_t kSlab = 64 * kKiB;
constexpr uint64_t kStream = kMiB;
constexpr uint64_t kShaders = 16 * kKiB;
constexpr int kShaderBos = 6;
// From the start of a frame to its submission.
constexpr Duration kRecording = std::chrono::milliseconds(3);

}  // namespace

Program::Program(Scene& scene, sim::Random& random, Duration start, const std::string& name, const FrameCost& cost)
    : scene_(scene), random_(random), cost_(cost), client_(scene.arrive(start, name)) {
  // Never given back before the end.
  (void)scene_.alloc(start, client_, kTilerHeap, kAllocHeap);
  for (int i = 0; i < kShaderBos; ++i) (void)scene_.alloc(start, client_, kShaders, kAllocExecutable);
}

void Program::draw(Duration at) {
  const uint64_t slabs = random_.between(cost_.least_slabs, cost_.most_slabs);
  const Duration job_time = job();
  for (uint64_t i = 0; i < slabs; ++i) {
    const SceneBo slab =
        scene_.alloc(at + kRecording * static_cast<int64_t>(i) / static_cast<int64_t>(slabs), client_, kSlab);
    scene_.release(at + kRecording, slab, job_time);
  }
  if (random_.one_in(cost_.frames_per_stream)) {
    scene_.release(at + kRecording, scene_.alloc(at, client_, kStream), job_time);
  }
}

void Program::animate(Duration from, Duration length) {
  for (Duration at = from; at < from + length; at += kFrame) draw(at);
}

void Program::load(Duration at, uint64_t size) {
  textures_.push_back(scene_.alloc(at, client_, size));
}

void Program::unload(Duration at) {
  if (textures_.empty()) return;
  scene_.release(at, textures_.front(), job());
  textures_.pop_front();
}

void Program::repaint(Duration at, uint64_t size) {
  const SceneBo canvas = scene_.alloc(at, client_, size);
  drop_canvas(at + kRecording);
  canvas_ = canvas;
}

void Program::drop_canvas(Duration at) {
  if (canvas_) scene_.release(at, *canvas_, job());
  canvas_.reset();
}

void Program::quit(Duration at) {
  scene_.depart(at, client_);
}

Duration Program::job() {
  return Duration(
      random_.between(static_cast<uint64_t>(cost_.least_job.count()), static_cast<uint64_t>(cost_.most_job.count())));
}

}  // namespace panbo::replay
