// An fd is looked at when the program first uses it for something that concerns BOs, and from then on known by its
// number, until the program closes it. So only closing has to be watched: a copy of a known fd, however it was made, is
// an fd that is not known yet, and the kernel says whether it is the same open file.
//
// An fd of an open file that the program has no other fd of ends its client, and all its BOs with it, as the kernel
// would. Our own fd of the open file must not keep it: the kernel's would be closed with the program's last one.
//
// A child that shares its parent's memory (vfork) has fds of its own: what it closes stays open here. It is known by
// its process id, which is only asked for when a known fd is closed.

#include "client/interpose/fd_table.h"

#include <cerrno>
#include <cstdio>
#include <new>
#include <utility>
#include <vector>

namespace panbo::interpose {

std::shared_ptr<OpenFile> FdTable::find(int fd) {
  const Mark known = mark(fd);
  if (fd < 0 || known == Mark::kOtherDrm || known == Mark::kOurOwn) return nullptr;
  const int errno_before = errno;
  std::shared_ptr<OpenFile> file;
  try {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(fd);
    file = found != files_.end() ? found->second : learn(fd);
  } catch (const std::bad_alloc&) {
    // As if it were not a panfrost file, this time.
  }
  errno = errno_before;
  return file;
}

std::shared_ptr<OpenFile> FdTable::learn(int fd) {
  switch (kernel_.kind(fd)) {
    case Kernel::FileKind::kNotDrm:
      return nullptr;
    case Kernel::FileKind::kOtherDrm:
      set_mark(fd, Mark::kOtherDrm);
      return nullptr;
    case Kernel::FileKind::kPanfrost:
      break;
  }
  auto file = file_of(fd);
  if (file == nullptr) {
    set_mark(fd, Mark::kOtherDrm);
    return nullptr;
  }
  files_.emplace(fd, file);
  set_mark(fd, Mark::kPanfrost);
  return file;
}

std::shared_ptr<OpenFile> FdTable::file_of(int fd) {
  // Also with itself, which tells whether the kernel compares at all.
  const auto comparable = kernel_.is_same_file(fd, fd);
  if (!comparable) {
    std::fprintf(stderr, "panbo-run: kcmp: %s: the GPU's memory is not panbod's\n",
                 comparable.error().message().c_str());
    return nullptr;
  }
  for (const auto& [known_fd, file] : files_) {
    const auto same = kernel_.is_same_file(fd, file->fd());
    if (same && *same) return file;
  }
  const auto ours = kernel_.duplicate(fd);
  if (!ours) return nullptr;
  set_mark(*ours, Mark::kOurOwn);
  return {new OpenFile(kernel_, *ours), [this](OpenFile* file) {
            end(*file);
            delete file;
          }};
}

void FdTable::forget(int fd) {
  const Mark known = mark(fd);
  if (known == Mark::kUnknown || known == Mark::kOurOwn || kernel_.process_id() != process_id_) return;
  std::shared_ptr<OpenFile> file;
  {
    const std::lock_guard lock(mutex_);
    set_mark(fd, Mark::kUnknown);
    const auto found = files_.find(fd);
    if (found == files_.end()) return;
    file = std::move(found->second);
    files_.erase(found);
  }
  // Here, outside the lock, it ends, unless another thread is using it still.
}

void FdTable::forget_range(unsigned first, unsigned last) {
  for (unsigned fd = first; fd <= last && fd < kMarks; ++fd) forget(static_cast<int>(fd));
  std::vector<int> beyond;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [fd, file] : files_) {
      const auto number = static_cast<unsigned>(fd);
      if (number >= kMarks && first <= number && number <= last) beyond.push_back(fd);
    }
  }
  for (const int fd : beyond) forget(fd);
}

void FdTable::end(OpenFile& file) {
  const BoCounts counts = file.counts();
  // libpanbo uses our fd until then.
  file.close_client();
  set_mark(file.fd(), Mark::kUnknown);
  file.close_fd();
  const std::lock_guard lock(mutex_);
  ended_ += counts;
}

void FdTable::before_fork() {
  mutex_.lock();
  for (OpenFile* file : open_files()) file->lock();
}

void FdTable::after_fork_in_parent() {
  for (OpenFile* file : open_files()) file->unlock();
  mutex_.unlock();
}

// The threads that were using a file are not in the child, and never let go of it: it does not end by itself.
void FdTable::after_fork_in_child() {
  for (OpenFile* file : open_files()) {
    file->unlock();
    file->close_client();
    set_mark(file->fd(), Mark::kUnknown);
    file->close_fd();
  }
  for (const auto& [fd, file] : files_) set_mark(fd, Mark::kUnknown);
  auto files = std::exchange(files_, {});
  ended_ = {};
  process_id_ = kernel_.process_id();
  mutex_.unlock();
  files.clear();
}

BoCounts FdTable::counts() {
  const std::lock_guard lock(mutex_);
  BoCounts counts = ended_;
  for (OpenFile* file : open_files()) counts += file->counts();
  return counts;
}

std::set<OpenFile*> FdTable::open_files() const {
  std::set<OpenFile*> files;
  for (const auto& [fd, file] : files_) files.insert(file.get());
  return files;
}

FdTable::Mark FdTable::mark(int fd) const {
  if (fd < 0) return Mark::kUnknown;
  return static_cast<size_t>(fd) < kMarks ? marks_[fd].load(std::memory_order_relaxed) : Mark::kPanfrost;
}

void FdTable::set_mark(int fd, Mark mark) {
  if (fd >= 0 && static_cast<size_t>(fd) < kMarks) marks_[fd].store(mark, std::memory_order_relaxed);
}

}  // namespace panbo::interpose
