#include <gtest/gtest.h>

#include "tests/replay/generate.h"
#include "tests/replay/trace_output.h"
#include "tests/unit/replay/temporary_file.h"

namespace panbo::replay {
namespace {

std::string file_of(const SceneByName& scene, uint64_t seed) {
  const TemporaryFile file(std::string(scene.name) + std::to_string(seed));
  write_trace(scene.generate(seed), file.path());
  EXPECT_NO_THROW((void)read_trace(file.path()));
  return file.bytes();
}

TEST(ScenesTest, AreTheSameForASeedAndOthersForAnother) {
  for (const SceneByName& scene : kScenes) {
    const std::string first = file_of(scene, 1);
    EXPECT_TRUE(first == file_of(scene, 1)) << scene.name;
    EXPECT_FALSE(first == file_of(scene, 2)) << scene.name;
  }
}

TEST(ScenesTest, TheDesktopHasTwelveClients) {
  size_t clients = 0;
  for (const Event& event : generate_desktop(1).events) clients += std::holds_alternative<Arrive>(event.what);
  EXPECT_EQ(clients, 12u);
}

}  // namespace
}  // namespace panbo::replay
