// A kernel with fds of panfrost files and others, for the tests of panbo-run.
#pragma once

#include <cerrno>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "client/interpose/kernel.h"

namespace panbo::interpose {

class FakeKernel final : public Kernel {
 public:
  /// An fd, and the open file that it is of.
  struct Fd {
    FileKind kind;
    int file;
  };

  int ioctl(const IoctlCall& call) override {
    calls.push_back(call.request);
    if (on_ioctl) on_ioctl(call);
    if (error == 0) return 0;
    errno = error;
    return -1;
  }

  FileKind kind(int fd) override {
    ++looks;
    return fds.at(fd).kind;
  }

  Result<bool> is_same_file(int a, int b) override {
    if (compare_error) return *compare_error;
    return fds.at(a).file == fds.at(b).file;
  }

  Result<int> duplicate(int fd) override {
    const int copy = 100 + static_cast<int>(copies.size());
    fds[copy] = fds.at(fd);
    copies.push_back(copy);
    return copy;
  }

  void close(int fd) override {
    closed.push_back(fd);
    fds.erase(fd);
  }

  int process_id() override { return process; }

  std::map<int, Fd> fds = {{3, {FileKind::kPanfrost, 1}}};
  /// With which every ioctl fails.
  int error = 0;
  std::function<void(const IoctlCall&)> on_ioctl;
  std::optional<Errno> compare_error;
  int process = 1;

  /// Requests that came.
  std::vector<unsigned long> calls;
  int looks = 0;
  std::vector<int> copies;
  std::vector<int> closed;
};

}  // namespace panbo::interpose
