// The DeviceWorker of the daemon: one thread that makes and closes large BOs, in the order in which it was asked.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "daemon/core/device_worker.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

struct CreatedBo {
  BoId id;
  Result<DeviceBo> result;
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

  void create(BoId id, ArenaId arena, BoKind kind, uint64_t size) override;
  void destroy(BoId id, const DeviceBo& bo) override;
  [[nodiscard]] bool destroying() const override { return destroying_ > 0; }

  /// Readable (level) when take_created() has something to give. Borrowed.
  [[nodiscard]] int event_fd() const { return event_.get(); }

  /// The results since the last call, in order.
  [[nodiscard]] std::vector<CreatedBo> take_created();

 private:
  struct Create {
    BoId id;
    ArenaId arena;
    BoKind kind;
    uint64_t size;
  };
  struct Destroy {
    BoId id;
    DeviceBo bo;
  };
  using Job = std::variant<Create, Destroy>;

  void push(Job job);
  void run();
  void work(const Create& create);
  void work(const Destroy& destroy);

  Device& device_;
  UniqueFd event_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::vector<CreatedBo> created_;
  bool ending_ = false;
  std::atomic<size_t> destroying_ = 0;
  /// Last, so that everything it uses is there before it starts.
  std::thread thread_;
};

}  // namespace panbo
