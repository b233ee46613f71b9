// A device that is gone, and comes back.
#include <cerrno>

#include "tests/faults/faults_test.h"

namespace panbo {
namespace {

class DeviceTest : public FaultsTest {
 protected:
  /// Each call fails from now on as it does after the driver was unbound.
  void unplug() {
    for (const char* call : {"create", "export", "evictable", "unevictable", "watch"}) {
      fail_next(call, ENODEV, UINT32_MAX);
    }
  }
  void plug_in() {
    for (const char* call : {"create", "export", "evictable", "unevictable", "watch"}) fail_next(call, ENODEV, 0);
  }
};

TEST_F(DeviceTest, fault_23_a_device_that_is_gone_is_a_clear_error_and_serves_again_when_it_is_back) {
  WirePeer peer = connect_and_greet();
  FromDaemon lease = peer.alloc(4096);
  FromDaemon cached = peer.alloc(8192);
  peer.release({grant_of(cached).lease_id()});
  cached.fds.clear();
  await_ready(1);

  unplug();
  // Neither what would have to be made, nor what is in the cache and can no longer be lent; and it is an answer.
  for (const uint64_t size : {uint64_t{8192}, uint64_t{65536}, 4 * kMiB}) {
    EXPECT_EQ(code_of(peer.alloc(size)), wire::FAILURE_DEVICE) << size;
  }
  EXPECT_EQ(code_of(bystander_.alloc(4096)), wire::FAILURE_DEVICE);
  EXPECT_EQ(clients().size(), 2u) << "and nobody is disconnected for it";
  // A lease ends as always: its BO goes.
  peer.release({grant_of(lease).lease_id()});
  lease.fds.clear();
  await_leased(0);
  EXPECT_EQ(admin_.stats().ready().count(), 0u);

  plug_in();
  EXPECT_TRUE(peer.alloc(4096).message.has_granted());
  EXPECT_TRUE(peer.alloc(4 * kMiB).message.has_granted());
}

TEST_F(DeviceTest, fault_23_clients_that_leave_while_it_is_gone_leave_nothing_behind) {
  {
    WirePeer peer = connect_and_greet();
    ASSERT_TRUE(peer.ask(batch_of(32, 4096)).message.has_granted());
    const FromDaemon busy = peer.alloc(4096);
    start_job(grant_of(busy).inode());
    unplug();
  }
  await_leased(0);
  plug_in();
}

TEST_F(DeviceTest, fault_23_a_bo_that_cannot_be_exported_costs_the_request_and_no_connection) {
  WirePeer peer = connect_and_greet();
  for (const int error : {EIO, ENODEV, ENOENT, EINVAL}) {
    fail_next("export", error, 1);
    EXPECT_EQ(code_of(peer.ask(batch_of(3, 4096))), wire::FAILURE_DEVICE) << error;
    await_leased(0);
    const FromDaemon next = peer.alloc(4096);
    ASSERT_TRUE(next.message.has_granted()) << next.message.failure().message();
    peer.release({grant_of(next).lease_id()});
  }
}

}  // namespace
}  // namespace panbo
