// What ready BOs cost the daemon in fds, which is nothing: the simulated device cannot show that, since its BOs are
// fds.
#include <sys/resource.h>

#include "tests/board/panbod_rig.h"
#include "tests/support/panbod_process.h"

namespace panbo::test {
namespace {

constexpr uint64_t kSize = 4096;

/// A daemon of the test's own, whose cache stays as it is.
class PanbodFds : public testing::Test {
 protected:
  /// Of the daemon, with as many ready BOs.
  size_t open_fds_with_ready(size_t count) {
    std::vector<panbo_bo*> bos(count);
    for (panbo_bo*& bo : bos) bo = client_.alloc(kSize);
    for (panbo_bo* bo : bos) client_.release(bo);
    await("all are ready", [&] { return admin_.stats().ready().count() == count; });
    return daemon_.open_fds();
  }

  PanbodProcess daemon_{"panfrost", "[cache]\ndecay = \"1h\"\n"};
  WirePeer admin_{daemon_.admin_socket_path()};
  Client client_{"client", daemon_.socket_path()};
};

TEST_F(PanbodFds, DoNotDependOnHowManyBosAreReady) {
  // The client's own fds: one for each BO that it has.
  const rlimit many{.rlim_cur = 4096, .rlim_max = 4096};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &many), 0);
  const size_t with_few = open_fds_with_ready(100);
  const size_t with_many = open_fds_with_ready(2000);
  EXPECT_EQ(with_many, with_few);
  RecordProperty("fds", static_cast<int>(with_many));
}

}  // namespace
}  // namespace panbo::test
