// A queue under a mutex, and an eventfd for the way back, so that results arrive in the reactor like everything else.
// The mutex is never held during a device call, and the thread is woken up only when it sleeps.
//
// Destructions come in crowds, when a cache gives way. So they travel in batches in both directions: the reactor hands
// over what it has collected in one of its turns, and the thread reports a batch of them as one number. The eventfd is
// written only if the reactor has taken everything before.
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
#include <utility>

namespace panbo {
namespace {

/// A third of the share that the reactor has; more would make large BOs wait for ever where programs use every CPU.
constexpr int kNice = 5;

/// Most BOs that are destroyed between two looks at the queue, and so many bytes that no more of them follow.
constexpr size_t kBatch = 64;
constexpr uint64_t kBatchBytes = uint64_t{4} << 20;

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
  hand_over();
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    queue_.drop_creates();
  }
  wake_.notify_one();
  thread_.join();
}

void DeviceThread::create(BoId id, UserId user, ArenaId arena, BoKind kind, uint64_t size) {
  const CreateJob job{.id = id, .user = user, .arena = arena, .kind = kind, .size = size};
  creating_ += job.memory();
  give(&job);
}

bool DeviceThread::cancel(BoId id) {
  const std::lock_guard lock(mutex_);
  const auto job = queue_.cancel(id);
  if (!job) return false;
  creating_ -= job->memory();
  return true;
}

void DeviceThread::destroy(BoId id, const DeviceBo& bo, uint64_t memory) {
  destroying_ += memory;
  to_destroy_.push_back({.id = id, .bo = bo, .memory = memory});
  if (to_destroy_.size() >= kBatch) hand_over();
}

void DeviceThread::hand_over() {
  if (!to_destroy_.empty()) give(nullptr);
}

void DeviceThread::give(const CreateJob* create) {
  {
    const std::lock_guard lock(mutex_);
    for (const DestroyJob& job : to_destroy_) queue_.push(job);
    if (create != nullptr) queue_.push(*create);
    to_destroy_.clear();
    // Until it has woken up it counts as awake, so that it is not woken up twice.
    if (!std::exchange(asleep_, false)) return;
  }
  ++wake_ups_;
  wake_.notify_one();
}

DoneWork DeviceThread::take_done() {
  uint64_t count;
  // EAGAIN says that there is nothing, and is fine.
  [[maybe_unused]] const ssize_t n = ::read(event_.get(), &count, sizeof(count));
  DoneWork done;
  {
    const std::lock_guard lock(mutex_);
    done = std::exchange(done_, {});
  }
  for (const CreatedBo& created : done.created) creating_ -= created.memory;
  destroying_ -= done.destroyed;
  return done;
}

void DeviceThread::run() {
  // Of this thread alone, as Linux has it. Where it is not allowed, things are as they were.
  ::setpriority(PRIO_PROCESS, 0, kNice);
  std::unique_lock lock(mutex_);
  while (true) {
    // It sleeps on if what it was woken up for has been cancelled, and then has to be woken up again.
    while (!ending_ && queue_.empty()) {
      asleep_ = true;
      wake_.wait(lock);
    }
    asleep_ = false;
    if (queue_.empty()) return;
    DoneWork done;
    if (queue_.next_is_destroy()) {
      const std::vector<DestroyJob> jobs = take_destroys();
      lock.unlock();
      for (const DestroyJob& job : jobs) {
        device_.destroy(job.id, job.bo);
        done.destroyed += job.memory;
      }
    } else {
      const auto job = std::get<CreateJob>(*queue_.pop());
      lock.unlock();
      done.created.push_back({job.id, job.memory(), device_.create(job.arena, job.kind, job.size)});
    }
    report(done);
    lock.lock();
  }
}

// What takes no longer than a large BO: whoever waits for memory shall hear of it soon.
std::vector<DestroyJob> DeviceThread::take_destroys() {
  std::vector<DestroyJob> jobs;
  uint64_t bytes = 0;
  while (queue_.next_is_destroy() && jobs.size() < kBatch && bytes < kBatchBytes) {
    jobs.push_back(std::get<DestroyJob>(*queue_.pop()));
    bytes += jobs.back().bo.size;
  }
  return jobs;
}

void DeviceThread::report(const DoneWork& done) {
  {
    const std::lock_guard lock(mutex_);
    const bool is_told = !done_.created.empty() || done_.destroyed > 0;
    done_.created.insert(done_.created.end(), done.created.begin(), done.created.end());
    done_.destroyed += done.destroyed;
    if (is_told) return;
  }
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the fd is readable already.
  [[maybe_unused]] const ssize_t n = ::write(event_.get(), &one, sizeof(one));
}

}  // namespace panbo
