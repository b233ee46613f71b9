// Large BOs, which the device worker makes: what happens before it is done.
#include "daemon/service/alloc_flags.h"
#include "tests/support/fake_worker.h"
#include "tests/unit/service/service_rig.h"

namespace panbo {
namespace {

class ServiceWithWorkerTest : public ServiceTest {
 protected:
  ServiceWithWorkerTest() {
    worker_.on_created = [this](BoId id, const Result<DeviceBo>& result) {
      with_worker_.on_created(id, result);
      settle(with_worker_);
    };
    worker_.on_destroyed = [this](uint64_t bytes) {
      with_worker_.on_destroyed(bytes);
      settle(with_worker_);
    };
    worker_.on_destroyed = [this](uint64_t bytes) { with_worker_.on_destroyed(bytes); };
  }
  Amount ready() { return std::get<Stats>(with_worker_.handle_admin(StatsRequest{})).ready; }

  FakeWorker worker_{device_};
  Service with_worker_{device_, &worker_, memory_, clock_, options_};
  FakeClient client_{with_worker_, 1000};
};

TEST_F(ServiceWithWorkerTest, AHitIsNotDelayedByALargeRequestBeforeIt) {
  client_.hello();
  client_.release(client_.must_alloc(4096));
  client_.alloc({256 * kMiB});
  client_.alloc({4096});
  ASSERT_EQ(client_.answered.size(), 3u);
  EXPECT_EQ(client_.last<GrantedReply>()->grants[0].origin, Origin::kCached);
  worker_.work_all();
  EXPECT_EQ(client_.last<GrantedReply>()->grants[0].origin, Origin::kFresh);
}

TEST_F(ServiceWithWorkerTest, ABatchIsAnsweredWhenItsLastBoIsThere) {
  client_.hello();
  client_.alloc({4096, kMiB, 2 * kMiB});
  worker_.work();
  EXPECT_EQ(client_.last<GrantedReply>(), nullptr);
  worker_.work();
  ASSERT_NE(client_.last<GrantedReply>(), nullptr);
  EXPECT_EQ(client_.last<GrantedReply>()->grants.size(), 3u);
}

TEST_F(ServiceWithWorkerTest, ABatchThatFailsHalfwayLeavesWhatWasMadeInTheCacheAndHasNoMoreMade) {
  client_.hello();
  client_.alloc({kMiB, 2 * kMiB, 4 * kMiB});
  worker_.work();
  device_.create_failures = {Errno{EIO}};
  worker_.work_all();
  EXPECT_EQ(client_.failure(), FailureKind::kDevice);
  EXPECT_EQ(client_.answered.size(), 2u);
  EXPECT_EQ(ready(), (Amount{1, kMiB}));
  EXPECT_EQ(device_.creations(), 2);
}

TEST_F(ServiceWithWorkerTest, AClientThatVanishedMeanwhileLeaksNothing) {
  {
    FakeClient short_lived(with_worker_, 1000);
    short_lived.hello();
    short_lived.alloc({kMiB});
  }
  worker_.work_all();
  EXPECT_EQ(device_.creations(), 0) << "nobody wants it";
  EXPECT_EQ(ready(), Amount{});
}

TEST_F(ServiceWithWorkerTest, ARequestThatTheWorkerCouldNotServeWaitsAndIsServedLater) {
  device_.memory_limit = 2 * kMiB;
  client_.hello();
  client_.alloc({2 * kMiB});
  worker_.work_all();
  const Grant grant = client_.last<GrantedReply>()->grants[0];
  client_.alloc({kMiB}, std::chrono::seconds(1));
  worker_.work_all();
  EXPECT_EQ(client_.answered.size(), 2u);
  client_.release(grant);
  worker_.work_all();
  ASSERT_EQ(client_.answered.size(), 3u);
  EXPECT_EQ(client_.last<GrantedReply>()->grants[0].origin, Origin::kWaited);
}

TEST_F(ServiceWithWorkerTest, ARequestThatWaitsDoesNotWakeItselfByWhatItGivesBack) {
  device_.memory_limit = 3 * kMiB;
  client_.hello();
  AllocRequest request{.items = {{.size = kMiB, .flags = kAllocZeroed}, {.size = 4 * kMiB}},
                       .timeout = std::chrono::seconds(1)};
  client_.send(request);
  int jobs = 0;
  while (jobs < 100 && worker_.work()) ++jobs;
  EXPECT_LT(jobs, 100);
  EXPECT_EQ(client_.answered.size(), 1u) << "it waits";
}

}  // namespace
}  // namespace panbo
