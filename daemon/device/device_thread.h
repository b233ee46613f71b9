// The DeviceWorker of the daemon: one thread that makes and destroys BOs.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "daemon/core/device_queue.h"
#include "daemon/core/device_worker.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

struct CreatedBo {
  BoId id;
  /// Bytes of memory that were asked for.
  uint64_t memory = 0;
  Result<DeviceBo> result;
};

/// What the thread has done.
struct DoneWork {
  /// In order.
  std::vector<CreatedBo> created;
  /// Bytes of memory that destroyed BOs gave back.
  uint64_t destroyed = 0;
};

/// All functions are for the thread that made it.
class DeviceThread : public DeviceWorker {
 public:
  /// `device` must outlive this. Throws std::system_error if there is no thread or no eventfd to be had.
  explicit DeviceThread(Device& device);
  /// Does what it was asked to destroy; what it was asked to create and has not begun is dropped.
  ~DeviceThread() override;
  DeviceThread(const DeviceThread&) = delete;
  DeviceThread& operator=(const DeviceThread&) = delete;

  void create(BoId id, UserId user, ArenaId arena, BoKind kind, uint64_t size) override;
  bool cancel(BoId id) override;
  /// Notes it. The thread hears of it with hand_over(), with create(), or once 64 have been noted.
  void destroy(BoId id, const DeviceBo& bo, uint64_t memory) override;
  [[nodiscard]] uint64_t destroying() const override { return destroying_; }
  [[nodiscard]] uint64_t creating() const override { return creating_; }

  /// Gives the thread what was to be destroyed, with one wake-up for all of it. The event loop calls it after each
  /// handler; it does nothing if there is nothing.
  void hand_over();

  /// Readable (level) when take_done() has something to give. Borrowed.
  [[nodiscard]] int event_fd() const { return event_.get(); }

  /// What was done since the last call.
  [[nodiscard]] DoneWork take_done();

  /// How often the thread was woken up, since the start.
  [[nodiscard]] uint64_t wake_ups() const { return wake_ups_; }

 private:
  void give(const CreateJob* create);
  void run();
  [[nodiscard]] std::vector<DestroyJob> take_destroys();
  void report(const DoneWork& done);

  Device& device_;
  UniqueFd event_;

  // Of the caller's thread.
  std::vector<DestroyJob> to_destroy_;
  uint64_t destroying_ = 0;
  uint64_t creating_ = 0;
  uint64_t wake_ups_ = 0;

  // Of both.
  std::mutex mutex_;
  std::condition_variable wake_;
  DeviceQueue queue_;
  DoneWork done_;
  bool asleep_ = false;
  bool ending_ = false;

  /// Last, so that everything it uses is there before it starts.
  std::thread thread_;
};

}  // namespace panbo
