// A job needs an address that is not 0, and the handles of the BOs it uses; nobody executes it. Fences of a job live on
// the BO, so it is busy for everybody, also after the submitter has closed its handle.

#include "tests/board/panfrost_rig.h"

#include <fcntl.h>
#include <xf86drm.h>

#include <stdexcept>
#include <string>

#include "daemon/device/drm_node.h"
#include "proto/panfrost_uapi.h"

namespace panbo::test {
namespace {

class PanfrostRig final : public DeviceRig {
 public:
  explicit PanfrostRig(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {}

  Backend& backend() override { return *backend_; }

  std::shared_ptr<void> import(int bo_fd) override {
    const uint32_t handle = peer_.import(bo_fd);
    return {nullptr, [this, handle](void*) { peer_.close(handle); }};
  }

  void start_job(int bo_fd) override {
    const uint32_t handle = peer_.import(bo_fd);
    peer_.submit(handle);
    peer_.close(handle);
  }

  void let_jobs_end() override {}

  // Dropping the caches runs every shrinker there is, panfrost's among them.
  bool purge() override {
    const UniqueFd drop(::open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC));
    return drop.valid() && ::write(drop.get(), "2", 1) == 1;
  }

 private:
  std::unique_ptr<Backend> backend_;
  PanfrostPeer peer_;
};

}  // namespace

PanfrostPeer::PanfrostPeer() {
  std::string denied;
  auto node = find_drm_node("panfrost", denied);
  if (!node) throw std::runtime_error("no panfrost GPU: " + node.error().message());
  drm_ = std::move(node->fd);
}

uint32_t PanfrostPeer::import(int bo_fd) {
  uint32_t handle = 0;
  EXPECT_EQ(drmPrimeFDToHandle(drm_.get(), bo_fd, &handle), 0) << std::strerror(errno);
  return handle;
}

void PanfrostPeer::close(uint32_t handle) {
  EXPECT_EQ(drmCloseBufferHandle(drm_.get(), handle), 0) << std::strerror(errno);
}

void PanfrostPeer::submit(const std::vector<uint32_t>& handles) {
  uapi::Submit job{.jc = 0x2000000,
                   .bo_handles = reinterpret_cast<uintptr_t>(handles.data()),
                   .bo_handle_count = static_cast<uint32_t>(handles.size())};
  EXPECT_EQ(drmIoctl(drm_.get(), uapi::kSubmit, &job), 0) << std::strerror(errno);
}

std::unique_ptr<DeviceRig> make_panfrost_rig() {
  std::string why;
  auto backend = open_panfrost("", &why);
  if (!backend) throw std::runtime_error(why);
  return std::make_unique<PanfrostRig>(*std::move(backend));
}

}  // namespace panbo::test
