// The panfrost device on the real driver: the contract that the simulation keeps too, and what only a GPU can show.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <xf86drm.h>

#include <chrono>
#include <cstring>
#include <string>

#include "daemon/device/dma_buf_refs.h"
#include "daemon/device/drm_node.h"
#include "daemon/device/idle_watch.h"
#include "daemon/device/open_backend.h"
#include "tests/board/panfrost_rig.h"
#include "tests/support/fds.h"

namespace panbo::test {
namespace {

INSTANTIATE_TEST_SUITE_P(Panfrost, DeviceContract, testing::Values(&make_panfrost_rig));

constexpr BoId kId{1};

class PanfrostDeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    auto opened = open_panfrost("", &why);
    ASSERT_TRUE(opened) << why;
    device_ = *std::move(opened);
  }

  DeviceBo make(uint64_t size = 4096, BoKind kind = BoKind::kPlain) {
    const auto bo = device_->create(ArenaId{0}, kind, size);
    EXPECT_TRUE(bo) << bo.error().message();
    return *bo;
  }
  UniqueFd fd_of(const DeviceBo& bo) { return std::move(device_->export_bo(bo)->fd); }

  std::unique_ptr<Backend> device_;
};

TEST_F(PanfrostDeviceTest, IsFoundByItsDriversName) {
  EXPECT_EQ(device_->info().backend, "panfrost");
  EXPECT_TRUE(device_->info().driver.starts_with("panfrost 1.")) << device_->info().driver;
  EXPECT_TRUE(device_->info().node.starts_with("/dev/dri/renderD")) << device_->info().node;
}

TEST_F(PanfrostDeviceTest, AutoAndItsNodesPathMeanIt) {
  for (const std::string& name : {std::string("auto"), std::string("panfrost"), "panfrost:" + device_->info().node}) {
    std::string why;
    const auto opened = open_backend(name, why);
    ASSERT_TRUE(opened) << why;
    EXPECT_EQ(opened->backend->info().node, device_->info().node);
    EXPECT_EQ(opened->sim, nullptr);
  }
}

TEST_F(PanfrostDeviceTest, ThePrimaryNodeIsRefused) {
  std::string card = device_->info().node;
  card.replace(card.rfind('/') + 1, std::string::npos, "card0");
  if (::access(card.c_str(), R_OK | W_OK) != 0) GTEST_SKIP() << "may not open " << card;
  const auto node = open_drm_node(card);
  ASSERT_FALSE(node);
  EXPECT_EQ(node.error(), Errno{ENOTTY});
}

TEST_F(PanfrostDeviceTest, OpeningAndClosingLeavesNoFd) {
  const int before = open_fds();
  for (int i = 0; i < 10; ++i) {
    std::string why;
    ASSERT_TRUE(open_panfrost("", &why)) << why;
  }
  EXPECT_EQ(open_fds(), before);
}

TEST_F(PanfrostDeviceTest, AnFdWithoutAHandleDoesNotForbidEvictable) {
  // Where the simulation is stricter. The daemon asks for holders first.
  const DeviceBo bo = make();
  const UniqueFd kept = fd_of(bo);
  EXPECT_EQ(*device_->make_evictable(bo), Holders::kOnlyUs);
  device_->destroy(kId, bo);
}

TEST_F(PanfrostDeviceTest, TheShrinkerSparesWhatWasExported) {
  auto rig = make_panfrost_rig();
  const DeviceBo exported = make();
  const DeviceBo never_exported = make();
  fd_of(exported).reset();
  ASSERT_EQ(*device_->make_evictable(exported), Holders::kOnlyUs);
  ASSERT_EQ(*device_->make_evictable(never_exported), Holders::kOnlyUs);
  if (!rig->purge()) GTEST_SKIP() << "needs root, to drop the kernel's caches";
  EXPECT_EQ(*device_->make_unevictable(exported), Pages::kRetained);
  EXPECT_EQ(*device_->make_unevictable(never_exported), Pages::kPurged);
  device_->destroy(kId, exported);
  device_->destroy(kId, never_exported);
}

TEST_F(PanfrostDeviceTest, ANameCannotHideAHolder) {
  const DeviceBo bo = make();
  const UniqueFd kept = fd_of(bo);
  // What the count would be without it.
  const uint64_t count = *DmaBufRefs::open()->count(kept.get());
  const std::string name = "\ncount:\t" + std::to_string(count);
  ASSERT_EQ(::ioctl(kept.get(), DMA_BUF_SET_NAME, name.c_str()), 0) << std::strerror(errno);
  ASSERT_TRUE(device_->watch(kId, bo));
  EXPECT_EQ(*device_->holders(kId), Holders::kOthersToo);
  device_->destroy(kId, bo);
}

TEST_F(PanfrostDeviceTest, APollOfAClientThatLeftIsNoHolderOnceTheJobIsOver) {
  PanfrostPeer peer;
  const DeviceBo bo = make();
  {
    const UniqueFd theirs = fd_of(bo);
    const uint32_t handle = peer.import(theirs.get());
    peer.submit(handle);
    peer.close(handle);
    ASSERT_EQ(*usage_of(theirs.get()), Usage::kBusy);
  }
  ASSERT_EQ(*device_->watch(kId, bo), Usage::kBusy);
  ASSERT_TRUE(becomes_readable(device_->event_fd()));
  std::vector<BoId> idle;
  device_->take_idle(idle);
  ASSERT_EQ(idle, std::vector<BoId>{kId});
  EXPECT_EQ(*device_->holders(kId), Holders::kOnlyUs);
  device_->destroy(kId, bo);
}

TEST_F(PanfrostDeviceTest, ManyBusyBosAreEachReportedOnce) {
  constexpr uint64_t kMany = 8;
  PanfrostPeer peer;
  std::vector<DeviceBo> bos;
  for (uint64_t i = 0; i < kMany; ++i) {
    bos.push_back(make());
    const uint32_t handle = peer.import(fd_of(bos.back()).get());
    peer.submit(handle);
    peer.close(handle);
    ASSERT_EQ(*device_->watch(BoId{i}, bos.back()), Usage::kBusy);
  }
  std::vector<BoId> idle;
  while (idle.size() < kMany && becomes_readable(device_->event_fd())) device_->take_idle(idle);
  std::sort(idle.begin(), idle.end());
  for (uint64_t i = 0; i < kMany; ++i) EXPECT_EQ(idle.at(i), BoId{i});
  EXPECT_FALSE(is_readable(device_->event_fd()));
  for (uint64_t i = 0; i < kMany; ++i) device_->destroy(BoId{i}, bos[i]);
}

TEST_F(PanfrostDeviceTest, DestroyingABusyBoIsAllowed) {
  PanfrostPeer peer;
  const DeviceBo bo = make();
  const uint32_t handle = peer.import(fd_of(bo).get());
  peer.submit(handle);
  peer.close(handle);
  ASSERT_EQ(*device_->watch(kId, bo), Usage::kBusy);
  device_->destroy(kId, bo);
  EXPECT_FALSE(is_readable(device_->event_fd()));
}

}  // namespace
}  // namespace panbo::test
