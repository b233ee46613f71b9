// What the rest of the daemon relies on in any device, as tests. They run on the simulated device everywhere and on the
// panfrost driver on a board: that is the evidence that the simulation behaves like the real thing.
//
// An executable takes part by linking panbo_test_device and instantiating the suite:
//     INSTANTIATE_TEST_SUITE_P(Sim, DeviceContract, testing::Values(&make_sim_rig));
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "daemon/device/backend.h"

namespace panbo::test {

/// A device, and what happens around it that the daemon has no part in.
class DeviceRig {
 public:
  virtual ~DeviceRig() = default;

  virtual Backend& backend() = 0;

  /// Another process imports the BO and keeps its handle, but not the fd, as long as the result lives.
  virtual std::shared_ptr<void> import(int bo_fd) = 0;

  /// Another process imports the BO, starts a GPU job that uses it, and closes its handle. The job goes on until
  /// let_jobs_end(), or for half a second.
  virtual void start_job(int bo_fd) = 0;
  /// All jobs end now, or by themselves soon.
  virtual void let_jobs_end() = 0;

  /// The kernel takes the pages of every evictable BO. False: it cannot be made to, here.
  virtual bool purge() = 0;
};

/// A CPU mapping that outlives the fd it was made of.
class Mapping {
 public:
  Mapping(const UniqueFd& fd, size_t size);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  [[nodiscard]] unsigned char* begin() const { return static_cast<unsigned char*>(bytes_); }
  [[nodiscard]] unsigned char* end() const { return begin() + size_; }

 private:
  size_t size_;
  void* bytes_;
};

/// Throws if there is no such device: a suite that skips everything would pass.
using MakeRig = std::unique_ptr<DeviceRig> (*)();

class DeviceContract : public testing::TestWithParam<MakeRig> {
 protected:
  struct Bo {
    BoId id;
    DeviceBo device;
  };

  void SetUp() override;
  /// Destroys what is left, and checks that no fd is.
  void TearDown() override;

  Backend& device() { return rig_->backend(); }
  Bo make(uint64_t size = 4096, BoKind kind = BoKind::kPlain);
  void destroy(const Bo& bo);
  UniqueFd fd_of(const Bo& bo);
  /// A BO that has a job, and of which nobody has an fd.
  Bo make_busy();
  /// Waits until a watched BO became idle.
  std::vector<BoId> wait_for_idle();
  /// What take_idle() gives now.
  std::vector<BoId> take_idle();

  std::unique_ptr<DeviceRig> rig_;
  /// Fds that a test leaves open on purpose.
  int ignored_fds_ = 0;

 private:
  int fds_before_ = 0;
  uint64_t next_id_ = 1;
  std::vector<Bo> made_;
};

}  // namespace panbo::test
