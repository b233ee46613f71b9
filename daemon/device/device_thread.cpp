// A queue under a mutex, and an eventfd for the way back, so that results arrive in the reactor like everything else.
// The mutex is never held during a device call: pushing a job costs the reactor a lock and at most one wake-up.
//
// The thread is nicer than the reactor. It uses a CPU for long where the reactor needs one for a moment, and where both
// share one, a cache hit would wait for the end of the thread's time slice again and again (docs/benchmarks.md).
//
// At the end the queue is emptied without making anything that nobody would receive. A BO that was made and not taken
// is closed with the device.

#include "daemon/device/device_thread.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <system_error>

namespace panbo {
namespace {

/// A third of the share that the reactor has; more would make large BOs wait for ever where programs use every CPU.
constexpr int kNice = 5;

}  // namespace

DeviceThread::DeviceThread(Device& device) : device_(device), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_.valid()) throw std::system_error(errno, std::generic_category(), "eventfd");
  // Signals are the reactor's.
  sigset_t all;
  sigset_t old;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &old);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  ::pthread_setname_np(thread_.native_handle(), "panbod-device");
}

DeviceThread::~DeviceThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void DeviceThread::create(BoId id, ArenaId arena, BoKind kind, uint64_t size) {
  push(Create{id, arena, kind, size});
}

void DeviceThread::destroy(BoId id, const DeviceBo& bo) {
  ++destroying_;
  push(Destroy{id, bo});
}

std::vector<CreatedBo> DeviceThread::take_created() {
  uint64_t count;
  // Nothing there is EAGAIN, and fine.
  [[maybe_unused]] const ssize_t n = ::read(event_.get(), &count, sizeof(count));
  const std::lock_guard lock(mutex_);
  return std::exchange(created_, {});
}

void DeviceThread::push(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(job);
  }
  wake_.notify_one();
}

void DeviceThread::run() {
  // Of this thread alone, as Linux has it. Where it is not allowed, things are as they were.
  ::setpriority(PRIO_PROCESS, 0, kNice);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const Job job = jobs_.front();
    jobs_.pop_front();
    if (ending_ && std::holds_alternative<Create>(job)) continue;
    lock.unlock();
    std::visit([this](const auto& j) { work(j); }, job);
    lock.lock();
  }
}

void DeviceThread::work(const Create& create) {
  const CreatedBo created{create.id, device_.create(create.arena, create.kind, create.size)};
  {
    const std::lock_guard lock(mutex_);
    created_.push_back(created);
  }
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the fd is readable already.
  [[maybe_unused]] const ssize_t n = ::write(event_.get(), &one, sizeof(one));
}

void DeviceThread::work(const Destroy& destroy) {
  device_.destroy(destroy.id, destroy.bo);
  --destroying_;
}

}  // namespace panbo
