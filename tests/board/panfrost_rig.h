// The panfrost driver of a board, for the device contract and for tests that need a GPU.
#pragma once

#include <memory>
#include <vector>

#include "proto/unique_fd.h"
#include "tests/support/device_contract.h"

namespace panbo::test {

/// Another process, as far as the kernel's GPU driver can tell: a DRM file of its own.
class PanfrostPeer {
 public:
  /// Throws if there is no panfrost GPU.
  PanfrostPeer();

  /// Imports the BO; returns its handle in this DRM file.
  uint32_t import(int bo_fd);
  void close(uint32_t handle);

  /// Starts a job that uses the BO. On a board without a working GPU it stays busy for 500 ms, until the kernel gives
  /// up on it.
  void submit(uint32_t handle) { submit(std::vector{handle}); }
  void submit(const std::vector<uint32_t>& handles);

  [[nodiscard]] int fd() const { return drm_.get(); }

 private:
  UniqueFd drm_;
};

/// Throws if there is no panfrost GPU.
std::unique_ptr<DeviceRig> make_panfrost_rig();

}  // namespace panbo::test
