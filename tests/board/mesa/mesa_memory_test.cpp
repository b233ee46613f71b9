// What eight programs need together, with a cache each and with one for all.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/board/mesa/mesa_rig.h"

namespace panbo::test {
namespace {

constexpr int kPrograms = 8;
// A program pauses with all that it has made: in the first frames, and when it has dropped and made a lot.
const std::vector<std::string> kScene = {"churn", "30", "1", "29"};

int repeats() {
  const char* chosen = std::getenv("PANBO_TEST_REPEATS");
  return chosen != nullptr ? std::stoi(chosen) : 1;
}

uint64_t median(const std::vector<uint64_t>& sorted) {
  return sorted[sorted.size() / 2];
}

// The median, the least and the most.
std::string text(const std::vector<uint64_t>& sorted) {
  const auto kib = [](uint64_t bytes) { return std::to_string(bytes / 1024); };
  return kib(median(sorted)) + " (" + kib(sorted.front()) + " to " + kib(sorted.back()) + ")";
}

class MesaMemory : public PanbodOnPanfrost {
 protected:
  static void await_pause(Program& program) {
    if (program.read_line() != "paused") throw std::runtime_error("a program ended: " + program.wait().err);
  }

  static std::vector<Program> start_all(Cache cache) {
    std::vector<Program> programs;
    for (int i = 0; i < kPrograms; ++i) programs.push_back(start_scene(cache, Jobs::kQuick, kScene));
    for (Program& program : programs) await_pause(program);
    return programs;
  }

  static void end_all(std::vector<Program>& programs) {
    for (Program& program : programs) program.write_line();
    for (Program& program : programs) {
      const Ending ending = program.wait();
      EXPECT_EQ(ending.status, 0) << ending.err;
    }
  }

  /// All draw at the same time.
  static uint64_t at_once(Cache cache) {
    PeakMemory peak;
    std::vector<Program> programs = start_all(cache);
    for (Program& program : programs) program.write_line();
    for (Program& program : programs) await_pause(program);
    end_all(programs);
    return peak.stop();
  }

  /// All have their windows open, and one after the other draws.
  static uint64_t in_turns(Cache cache) {
    PeakMemory peak;
    std::vector<Program> programs = start_all(cache);
    for (Program& program : programs) {
      program.write_line();
      await_pause(program);
    }
    end_all(programs);
    return peak.stop();
  }
};

// In turns, one program uses what another has given back. At the same time, one class of a program's BOs stands in for
// the next while it is unused. What is kept depends on when, so it is repeated as often as PANBO_TEST_REPEATS says
// (once without it), the two kinds of caches by turns, and medians count.
TEST_F(MesaMemory, ProgramsNeedLessWithOneCache) {
  struct Way {
    const char* name;
    uint64_t (*run)(Cache cache);
  };
  std::printf("%-18s %5s %26s %26s %6s\n", "8 programs draw", "runs", "private, KiB", "panbo, KiB", "ratio");
  for (const Way& way : {Way{"at the same time", at_once}, Way{"in turns", in_turns}}) {
    std::map<Cache, std::vector<uint64_t>> peaks;
    for (int i = 0; i < repeats(); ++i) {
      for (const Cache cache : {Cache::kPrivate, Cache::kPanbo}) {
        peaks[cache].push_back(way.run(cache));
        SetUp();
      }
    }
    for (auto& [cache, of_cache] : peaks) std::ranges::sort(of_cache);
    const auto with_private = median(peaks[Cache::kPrivate]);
    const auto with_panbo = median(peaks[Cache::kPanbo]);
    std::printf("%-18s %5d %26s %26s %6.2f\n", way.name, repeats(), text(peaks[Cache::kPrivate]).c_str(),
                text(peaks[Cache::kPanbo]).c_str(),
                static_cast<double>(with_panbo) / static_cast<double>(with_private));
    EXPECT_LT(with_panbo, with_private) << way.name;
  }
}

}  // namespace
}  // namespace panbo::test
