// What eight programs need together, with a cache each and with one for all.

#include <gtest/gtest.h>

#include <cstdio>
#include <stdexcept>

#include "tests/board/mesa/mesa_rig.h"

namespace panbo::test {
namespace {

constexpr int kPrograms = 8;
// A program pauses with all that it has made: in the first frames, and when it has dropped and made a lot.
const std::vector<std::string> kScene = {"churn", "30", "1", "29"};

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
// the next while it is unused.
TEST_F(MesaMemory, ProgramsNeedLessWithOneCache) {
  struct Way {
    const char* name;
    uint64_t (*run)(Cache cache);
  };
  std::printf("%-18s %16s %16s %6s\n", "8 programs draw", "private, KiB", "panbo, KiB", "ratio");
  for (const Way& way : {Way{"at the same time", at_once}, Way{"in turns", in_turns}}) {
    const uint64_t with_private = way.run(Cache::kPrivate);
    SetUp();
    const uint64_t with_panbo = way.run(Cache::kPanbo);
    SetUp();
    std::printf("%-18s %16lu %16lu %6.2f\n", way.name, with_private / 1024, with_panbo / 1024,
                static_cast<double>(with_panbo) / static_cast<double>(with_private));
    EXPECT_LT(with_panbo, with_private) << way.name;
  }
}

}  // namespace
}  // namespace panbo::test
