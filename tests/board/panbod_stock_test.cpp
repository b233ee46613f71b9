// panbod's stock under memory pressure: the kernel takes it, and the daemon notices and makes it anew.

#include "tests/board/board_state.h"
#include "tests/board/panbod_rig.h"
#include "tests/support/panbod_process.h"

namespace panbo::test {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kCount = 10;
constexpr uint64_t kSize = 4 * kMiB;

/// A daemon of the test's own, with a stock, that hears of no pressure: what goes, the kernel has taken by itself.
class StockedPanbod : public testing::Test {
 protected:
  static std::string settings() {
    return "[pressure]\nenabled = false\n[[stock]]\nsize = " + std::to_string(kSize) +
           "\ncount = " + std::to_string(kCount) + "\n";
  }
  void await_full() {
    await("the stock is full", [this] { return admin_.stats().stock().count() == kCount; });
  }

  PanbodProcess daemon_{"panfrost", settings()};
  WirePeer admin_{daemon_.admin_socket_path()};
  Client client_{"client", daemon_.socket_path()};
};

TEST_F(StockedPanbod, ServesZeroedMemoryAndIsFilledAgain) {
  await_full();
  panbo_bo* bo = client_.alloc(kSize, PANBO_BO_ZEROED);
  EXPECT_EQ(panbo_bo_get_origin(bo), PANBO_ORIGIN_FRESH);
  await_full();
  EXPECT_EQ(admin_.stats().leased().count(), 1u);
}

TEST_F(StockedPanbod, TheKernelTakesItAndTheDaemonServesAndMakesItAnew) {
  await_full();
  // More than there is without it.
  EXPECT_TRUE(press_memory(kCount * kSize / 2));
  EXPECT_EQ(panbo_bo_get_origin(client_.alloc(kSize, PANBO_BO_ZEROED)), PANBO_ORIGIN_FRESH);
  EXPECT_GE(admin_.stats().purged().count(), kCount / 2);
  await_full();
  EXPECT_EQ(admin_.stats().failed(), 0u);
}

}  // namespace
}  // namespace panbo::test
