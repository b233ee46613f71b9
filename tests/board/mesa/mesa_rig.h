// GLES programs on a board with panbod, with and without panbo-run, and what the kernel sees of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tests/board/mesa/program.h"
#include "tests/board/panbod_rig.h"

namespace panbo::test {

/// Whose cache Mesa's BOs come from.
enum class Cache {
  /// Mesa's own, in each process.
  kPrivate,
  /// panbod's, under panbo-run.
  kPanbo,
};

/// How long the board's jobs take: the real ones, until the kernel gives up on them, or none at all.
enum class Jobs { kReal, kQuick };

/// Of one program, by origin: the line that panbo-run --stats prints.
struct Origins {
  uint64_t local = 0;
  uint64_t cached = 0;
  uint64_t waited = 0;
  uint64_t fresh = 0;
  uint64_t direct = 0;
  uint64_t passed_on = 0;
  uint64_t failed = 0;

  [[nodiscard]] uint64_t total() const { return local + cached + waited + fresh + direct + passed_on + failed; }
  /// Throws std::runtime_error: there is no such line.
  static Origins in(const std::string& text);
};

/// The largest amount of BO memory on the board while it exists, beyond what there was before. It is the kernel's count
/// of shared memory ("Shmem" in /proc/meminfo), which all BO pages are part of, whoever has them; looked at every
/// few milliseconds.
class PeakMemory {
 public:
  PeakMemory();
  ~PeakMemory();
  PeakMemory(const PeakMemory&) = delete;
  PeakMemory& operator=(const PeakMemory&) = delete;

  /// Stops. In bytes.
  uint64_t stop();

 private:
  const uint64_t before_;
  std::atomic<uint64_t> peak_;
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

/// panbo-gl-check, whose words are those after its name. As on any system but for AFBC, which is off (gl_scenes.cpp).
Program start_scene(Cache cache, Jobs jobs, const std::vector<std::string>& words);

/// Runs it under strace: how often it made each ioctl, by the request's number.
std::map<unsigned long, int> ioctls_of_scene(Cache cache, const std::vector<std::string>& words, Ending& ending);

}  // namespace panbo::test
