// The fixture of the contract. Its tests are in device_contract_<subject>.cpp. A test says what holds for every device,
// so it uses nothing but the Backend interface, the fds that it gives, and the rig.

#include "tests/support/device_contract.h"

#include <sys/mman.h>

#include <cstring>

#include "tests/support/fds.h"

namespace panbo::test {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DeviceContract);

Mapping::Mapping(const UniqueFd& fd, size_t size)
    : size_(size), bytes_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0)) {
  EXPECT_NE(bytes_, MAP_FAILED) << std::strerror(errno);
}

Mapping::~Mapping() {
  ::munmap(bytes_, size_);
}

void DeviceContract::SetUp() {
  rig_ = GetParam()();
  fds_before_ = open_fds();
}

void DeviceContract::TearDown() {
  if (!rig_) return;
  while (!made_.empty()) destroy(made_.back());
  EXPECT_EQ(open_fds() - ignored_fds_, fds_before_);
}

DeviceContract::Bo DeviceContract::make(uint64_t size, BoKind kind) {
  const auto bo = device().create(ArenaId{0}, kind, size);
  EXPECT_TRUE(bo) << bo.error().message();
  made_.push_back(Bo{.id = BoId{next_id_++}, .device = bo.value()});
  return made_.back();
}

void DeviceContract::destroy(const Bo& bo) {
  const Bo gone = bo;
  std::erase_if(made_, [&](const Bo& known) { return known.id == gone.id; });
  device().destroy(gone.id, gone.device);
}

UniqueFd DeviceContract::fd_of(const Bo& bo) {
  auto exported = device().export_bo(bo.device);
  EXPECT_TRUE(exported) << exported.error().message();
  return std::move(exported->fd);
}

DeviceContract::Bo DeviceContract::make_busy() {
  const Bo bo = make();
  rig_->start_job(fd_of(bo).get());
  return bo;
}

std::vector<BoId> DeviceContract::wait_for_idle() {
  EXPECT_TRUE(becomes_readable(device().event_fd()));
  return take_idle();
}

std::vector<BoId> DeviceContract::take_idle() {
  std::vector<BoId> ids;
  device().take_idle(ids);
  return ids;
}

}  // namespace panbo::test
