#include "tests/support/fake_drm_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

namespace panbo::test {
namespace {

UniqueFd another(int fd) {
  return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

}  // namespace

std::vector<uint32_t> FakeDrmFile::Kernel::open() const {
  const std::lock_guard lock(mutex_);
  std::vector<uint32_t> handles;
  for (const auto& [handle, bo] : bos_) handles.push_back(handle);
  return handles;
}

int FakeDrmFile::Kernel::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

void FakeDrmFile::Kernel::set_busy(uint32_t handle, bool busy) {
  const std::lock_guard lock(mutex_);
  bos_.at(handle).busy = busy;
}

void FakeDrmFile::Kernel::fail_with(std::optional<Errno> error) {
  const std::lock_guard lock(mutex_);
  failure_ = error;
}

Result<uint32_t> FakeDrmFile::import_bo(int dma_buf) {
  const std::lock_guard lock(kernel_.mutex_);
  ++kernel_.calls_;
  if (kernel_.failure_) return *kernel_.failure_;
  kernel_.bos_[++kernel_.last_handle_].dma_buf = another(dma_buf);
  return kernel_.last_handle_;
}

Result<uint32_t> FakeDrmFile::create_bo(uint64_t size, uint32_t) {
  const std::lock_guard lock(kernel_.mutex_);
  ++kernel_.calls_;
  if (kernel_.failure_) return *kernel_.failure_;
  UniqueFd memory(::memfd_create("fake-bo", MFD_CLOEXEC));
  EXPECT_EQ(::ftruncate(memory.get(), static_cast<off_t>(size)), 0);
  kernel_.bos_[++kernel_.last_handle_].dma_buf = std::move(memory);
  return kernel_.last_handle_;
}

void FakeDrmFile::close_bo(uint32_t handle) {
  const std::lock_guard lock(kernel_.mutex_);
  ++kernel_.calls_;
  EXPECT_EQ(kernel_.bos_.erase(handle), 1u) << "handle " << handle << " is not open";
}

Result<UniqueFd> FakeDrmFile::export_bo(uint32_t handle) {
  const std::lock_guard lock(kernel_.mutex_);
  ++kernel_.calls_;
  if (kernel_.failure_) return *kernel_.failure_;
  return another(kernel_.bos_.at(handle).dma_buf.get());
}

Result<uint64_t> FakeDrmFile::gpu_address(uint32_t handle) {
  const std::lock_guard lock(kernel_.mutex_);
  ++kernel_.calls_;
  return fake_gpu_address(handle);
}

Result<void*> FakeDrmFile::map(uint32_t handle, uint64_t size) {
  const std::lock_guard lock(kernel_.mutex_);
  ++kernel_.calls_;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, kernel_.bos_.at(handle).dma_buf.get(), 0);
  if (memory == MAP_FAILED) return Errno::last();
  return memory;
}

// It does not wait: who has a deadline to wait for gets what there is at it.
Result<void> FakeDrmFile::wait(uint32_t handle, Deadline deadline) {
  const std::lock_guard lock(kernel_.mutex_);
  ++kernel_.calls_;
  EXPECT_TRUE(deadline.has_value());
  return kernel_.bos_.at(handle).busy ? Errno{ETIMEDOUT} : Result<void>();
}

}  // namespace panbo::test
