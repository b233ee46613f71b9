// panbod.service below MemoryMax= and MemoryHigh=, its own and those of a slice above, as an administrator sets them.
// The hog is a client: BOs are charged to the daemon, so its limits are what the client runs into.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "tests/board/memory_cgroup.h"
#include "tests/support/await.h"
#include "tests/support/client.h"
#include "tests/support/wire_peer.h"

namespace panbo::test {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

void systemctl(const std::string& arguments) {
  if (std::system(("systemctl " + arguments).c_str()) != 0) throw std::runtime_error("systemctl " + arguments);
}

/// A drop-in, as `systemctl edit` makes one.
void write_drop_in(const std::string& unit, const std::string& text) {
  const std::filesystem::path directory = "/run/systemd/system/" + unit + ".d";
  std::filesystem::create_directories(directory);
  std::ofstream(directory / "test.conf") << text;
}

/// The service with other limits; afterwards it is as shipped again.
class PanbodUnitLimits : public testing::Test {
 protected:
  void TearDown() override {
    for (const char* unit : {"panbod.service", "panbotest.slice"}) {
      std::filesystem::remove_all(std::string("/run/systemd/system/") + unit + ".d");
      std::filesystem::remove_all(std::string("/run/systemd/system.control/") + unit + ".d");
    }
    restart();
  }
  static void restart() {
    systemctl("daemon-reload");
    systemctl("restart panbod.service");
  }
};

/// A client that takes BOs for as long as it gets any.
class BoHog {
 public:
  BoHog() : client_("hog") {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }

  /// Returns what the daemon said in the end.
  int take_all(uint64_t bo_size) {
    for (;;) {
      panbo_bo* bo = nullptr;
      const int result = client_.try_alloc(bo_size, &bo);
      if (result < 0) return result;
      bos_.push_back(bo);
      bytes_ += bo_size;
    }
  }
  /// The last `count` of them.
  void give_back(int count) {
    for (; count > 0; --count) {
      client_.release(bos_.back());
      bos_.pop_back();
    }
  }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }

 private:
  Client client_;
  std::vector<panbo_bo*> bos_;
  uint64_t bytes_ = 0;
};

WirePeer admin() {
  return WirePeer("/run/panbo/admin.sock");
}

void expect_allocation_works_again(const MemoryCgroupView& cgroup, uint64_t before) {
  await("all of it is given back", [&] {
    admin().evict_all();
    return cgroup.current() < before + 8 * kMiB;
  });
  Client client("next");
  client.alloc(32 * kMiB);
}

TEST_F(PanbodUnitLimits, fault_22_the_budget_answers_before_memory_max_does) {
  write_drop_in("panbod.service", "[Service]\nMemoryMax=256M\n");
  restart();
  const MemoryCgroupView cgroup("/sys/fs/cgroup/system.slice/panbod.service");
  const uint64_t before = cgroup.current();
  {
    BoHog hog;
    EXPECT_EQ(hog.take_all(kMiB / 2), -EDQUOT) << "by default a client's quota is the whole budget";
    EXPECT_EQ(hog.bytes(), 192 * kMiB / 16 * 15) << "three quarters of it, but for the last share";
    Client other("other");
    panbo_bo* bo = nullptr;
    EXPECT_EQ(other.try_alloc(kMiB / 2, &bo), -EDQUOT);
    hog.give_back(1);
    EXPECT_EQ(other.try_alloc(kMiB / 2, &bo, 0, 10'000'000'000), 0);
  }
  EXPECT_EQ(cgroup.event("max"), 0u) << "the kernel never had to say no";
  EXPECT_EQ(cgroup.event("oom_kill"), 0u);
  expect_allocation_works_again(cgroup, before);
}

TEST_F(PanbodUnitLimits, fault_22_a_limit_below_the_budget_is_never_filled_to_the_last_page) {
  write_drop_in("panbod.service", "[Service]\nMemoryMax=256M\n");
  restart();
  const MemoryCgroupView cgroup("/sys/fs/cgroup/system.slice/panbod.service");
  const uint64_t before = cgroup.current();
  // The budget still is what followed from 256 MiB.
  systemctl("set-property --runtime panbod.service MemoryMax=96M");
  {
    Client filling("filling");
    std::vector<panbo_bo*> bos;
    for (int i = 0; i < 16; ++i) bos.push_back(filling.alloc(kMiB / 2));
    for (panbo_bo* bo : bos) filling.release(bo);
    BoHog hog;
    EXPECT_EQ(hog.take_all(kMiB / 4), -ENOMEM);
    EXPECT_EQ(hog.take_all(4096), -ENOMEM);
    EXPECT_GT(hog.bytes() + before, 80 * kMiB) << "what was cached for others was given back for it";
    EXPECT_EQ(admin().stats().ready().bytes(), 0u);
    EXPECT_LT(cgroup.current(), 96 * kMiB);
    // More than the 1 MiB after which small requests look at the memory.
    hog.give_back(8);
    Client other("other");
    panbo_bo* bo = nullptr;
    await("what is given back can be had again", [&] { return other.try_alloc(4096, &bo) == 0; });
  }
  EXPECT_EQ(cgroup.event("max"), 0u) << "the kernel never had to say no, or to kill";
  EXPECT_EQ(cgroup.event("oom_kill"), 0u);
  expect_allocation_works_again(cgroup, before);
}

TEST_F(PanbodUnitLimits, fault_22_stays_below_memory_high_where_the_kernel_would_let_it_wait) {
  const MemoryCgroupView cgroup("/sys/fs/cgroup/system.slice/panbod.service");
  systemctl(fmt::format("set-property --runtime panbod.service MemoryHigh={}", cgroup.current() + 64 * kMiB));
  BoHog hog;
  EXPECT_EQ(hog.take_all(kMiB / 4), -ENOMEM);
  EXPECT_GT(hog.bytes(), 48 * kMiB);
  EXPECT_EQ(cgroup.event("high"), 0u);
}

TEST_F(PanbodUnitLimits, fault_22_a_limit_on_a_slice_above_counts_like_its_own) {
  write_drop_in("panbod.service", "[Service]\nSlice=panbotest.slice\n");
  write_drop_in("panbotest.slice", "[Slice]\nMemoryMax=128M\n");
  restart();
  const MemoryCgroupView slice("/sys/fs/cgroup/panbotest.slice");
  BoHog hog;
  EXPECT_EQ(hog.take_all(kMiB / 2), -EDQUOT);
  EXPECT_EQ(hog.bytes(), 96 * kMiB / 16 * 15) << "three quarters of the slice's, but for the last share";
  EXPECT_EQ(slice.event("max"), 0u);
  EXPECT_EQ(slice.event("oom_kill"), 0u);
}

}  // namespace
}  // namespace panbo::test
