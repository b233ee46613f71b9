#include "daemon/device/open_backend.h"

#include <gtest/gtest.h>

#include "daemon/device/drm_node.h"
#include "tests/support/fds.h"

namespace panbo {
namespace {

class OpenBackendTest : public testing::Test {
 protected:
  static bool has_panfrost() {
    std::string denied;
    const auto node = find_drm_node("panfrost", denied);
    return node || node.error() != Errno{ENODEV};
  }

  std::string why_;
};

TEST_F(OpenBackendTest, SimIsSimAndCanBeControlled) {
  const auto opened = open_backend("sim", why_);
  ASSERT_TRUE(opened) << why_;
  EXPECT_EQ(opened->backend->info().backend, "sim");
  EXPECT_EQ(opened->backend->info().node, "");
  ASSERT_NE(opened->sim, nullptr);
  EXPECT_TRUE(opened->sim->set_memory_limit(1));
  const auto bo = opened->backend->create(ArenaId{0}, BoKind::kPlain, 4096);
  ASSERT_FALSE(bo);
  EXPECT_EQ(bo.error(), Errno{ENOMEM});
}

TEST_F(OpenBackendTest, SimThatClearsIsSim) {
  const auto opened = open_backend("sim:clear", why_);
  ASSERT_TRUE(opened) << why_;
  EXPECT_EQ(opened->backend->info().backend, "sim");
  EXPECT_NE(opened->sim, nullptr);
}

TEST_F(OpenBackendTest, WithoutAGpuAutoFailsAndSaysHowToGetTheSimulation) {
  if (has_panfrost()) GTEST_SKIP() << "this machine has a panfrost GPU";
  const auto opened = open_backend("auto", why_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error(), Errno{ENODEV});
  EXPECT_NE(why_.find("--device sim"), std::string::npos) << why_;
  EXPECT_NE(why_.find("panfrost"), std::string::npos) << why_;
}

TEST_F(OpenBackendTest, WithoutAGpuPanfrostFailsAndProposesNothingElse) {
  if (has_panfrost()) GTEST_SKIP() << "this machine has a panfrost GPU";
  const auto opened = open_backend("panfrost", why_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error(), Errno{ENODEV});
  EXPECT_EQ(why_.find("sim"), std::string::npos) << why_;
  EXPECT_FALSE(why_.empty());
}

TEST_F(OpenBackendTest, ANodeThatDoesNotExistIsNamed) {
  const auto opened = open_backend("panfrost:/dev/dri/renderD999", why_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error(), Errno{ENOENT});
  EXPECT_NE(why_.find("/dev/dri/renderD999"), std::string::npos) << why_;
}

TEST_F(OpenBackendTest, AFileThatIsNoRenderNodeIsNamed) {
  const auto opened = open_backend("panfrost:/dev/null", why_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error(), Errno{ENOTTY});
  EXPECT_NE(why_.find("/dev/null is not a DRM render node"), std::string::npos) << why_;
}

TEST_F(OpenBackendTest, UnknownNamesAreRefused) {
  for (const char* name : {"", "Sim", "sim:", "panfrost:", "/dev/dri/renderD128", "auto "}) {
    const auto opened = open_backend(name, why_);
    ASSERT_FALSE(opened) << name;
    EXPECT_EQ(opened.error(), Errno{EINVAL}) << name;
    EXPECT_NE(why_.find("Unknown device"), std::string::npos) << why_;
  }
}

TEST_F(OpenBackendTest, LeavesNoFdWhateverTheOutcome) {
  const int before = test::open_fds();
  for (const char* name : {"sim", "auto", "panfrost", "panfrost:/dev/null", "nonsense"}) {
    static_cast<void>(open_backend(name, why_));
    EXPECT_EQ(test::open_fds(), before) << name;
  }
}

}  // namespace
}  // namespace panbo
