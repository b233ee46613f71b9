// Which of the program's fds are of the panfrost driver, and which of them are one open file.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

#include "client/interpose/kernel.h"
#include "client/interpose/open_file.h"

namespace panbo::interpose {

/// Thread-safe. Never throws: what there is no memory for is left to the kernel.
class FdTable {
 public:
  explicit FdTable(Kernel& kernel) : kernel_(kernel), process_id_(kernel.process_id()) {}
  FdTable(const FdTable&) = delete;
  FdTable& operator=(const FdTable&) = delete;

  /// nullptr: not a panfrost file, or one of our own fds. Looks at an fd that it does not know; leaves errno alone.
  std::shared_ptr<OpenFile> find(int fd);

  /// The program closes `fd`, or has replaced it. With the last fd of an open file that ends, too. To be called before
  /// the kernel closes it, since it may then give the number to another thread. Takes no lock if the fd is not known,
  /// so that a signal handler may close what it opened.
  void forget(int fd);
  /// The same for all from `first` to `last`.
  void forget_range(unsigned first, unsigned last);

  // Around a fork: before it, and after it in the parent or in the child. The child knows nothing then.
  void before_fork();
  void after_fork_in_parent();
  void after_fork_in_child();

  /// Of all open files of this process that there were.
  BoCounts counts();

 private:
  /// What an fd is.
  enum class Mark : uint8_t { kUnknown, kPanfrost, kOtherDrm, kOurOwn };
  /// Higher ones are looked at under the lock.
  static constexpr size_t kMarks = 65536;

  std::shared_ptr<OpenFile> learn(int fd);
  std::shared_ptr<OpenFile> file_of(int fd);
  /// Beyond kMarks: kPanfrost, as it may be.
  [[nodiscard]] Mark mark(int fd) const;
  void set_mark(int fd, Mark mark);
  void end(OpenFile& file);
  /// Under the lock.
  [[nodiscard]] std::set<OpenFile*> open_files() const;

  Kernel& kernel_;
  int process_id_;
  std::array<std::atomic<Mark>, kMarks> marks_{};
  std::mutex mutex_;
  std::unordered_map<int, std::shared_ptr<OpenFile>> files_;
  /// Of files that have ended.
  BoCounts ended_;
};

}  // namespace panbo::interpose
