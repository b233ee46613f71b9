// A dma-buf tells how many references it has; a memfd does not. But the kernel grants a write lease (F_SETLEASE) on a
// file only to the one who alone has it open, and it counts opened files, not fds: one in the queue of a socket and
// one that only a mapping keeps alive count like any other. So asking for the lease, and giving it back at once,
// answers the question of the dma-buf's count.
//
// For this to work:
//  - What is lent is the file opened a second time, through /proc/self/fd; with a duplicate of ours the borrower would
//    be counted as us. All fds lent are duplicates of that one, as all fds of a dma-buf are of one file. We close it
//    before we ask.
//  - Ours is opened anew as well. The kernel does not count the file that memfd_create gives.
//  - We never map the memory ourselves.
//  - While we have the lease, somebody who opens the file (a debugger, through /proc) makes the kernel send us a
//    signal. SIGURG, which is ignored by default, instead of SIGIO, which ends the process.
//
// The size is sealed: a client that truncated its memfd would kill the others with SIGBUS.
//
// Each BO costs two fds for its whole life. A real one costs none, since its GEM handle keeps it; nothing but an fd
// keeps a memfd.

#include "daemon/device/sim_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <csignal>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace panbo {
namespace {

// Kernels since 6.3 want to be told that a memfd is not for execution, and may be set up to insist; older ones do not
// know the flag.
UniqueFd make_memfd() {
  const int fd = ::memfd_create("panbo-sim-bo", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (fd >= 0 || errno != EINVAL) return UniqueFd(fd);
  return UniqueFd(::memfd_create("panbo-sim-bo", MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

}  // namespace

Result<SimMemory> SimMemory::open() {
  UniqueFd own_fds(::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!own_fds.valid()) return Errno::last();
  SimMemory memory(std::move(own_fds));

  // Leases can be switched off (fs.leases-enable), and a file system may do without them.
  auto probe = memory.allocate(1);
  if (!probe) return probe.error();
  const auto alone = holders(*probe);
  const auto lent = memory.lend(*probe);
  if (!lent) return lent.error();
  const auto shared = holders(*probe);
  if (!alone || !shared || *alone != Holders::kOnlyUs || *shared != Holders::kOthersToo) return Errno{ENOTSUP};
  return memory;
}

Result<UniqueFd> SimMemory::reopen(int fd) const {
  std::array<char, 12> name{};
  std::to_chars(name.data(), name.data() + name.size() - 1, fd);
  UniqueFd file(::openat(own_fds_.get(), name.data(), O_RDWR | O_CLOEXEC));
  if (!file.valid()) return Errno::last();
  return file;
}

Result<SimPages> SimMemory::allocate(uint64_t size) const {
  const UniqueFd memfd = make_memfd();
  if (!memfd.valid() || ::ftruncate(memfd.get(), static_cast<off_t>(size)) < 0 ||
      ::fcntl(memfd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
    return Errno::last();
  }
  auto file = reopen(memfd.get());
  if (!file) return file.error();
  struct stat status;
  if (::fstat(file->get(), &status) < 0 || ::fcntl(file->get(), F_SETSIG, SIGURG) < 0) return Errno::last();
  return SimPages{.file = *std::move(file), .lent = {}, .size = size, .inode = status.st_ino};
}

// By writing: fallocate() leaves the clearing for later, and a mapping would be one more holder.
Result<void> SimMemory::clear(const SimPages& pages) {
  static constexpr std::array<std::byte, 65536> kZeros{};
  for (uint64_t at = 0; at < pages.size;) {
    const ssize_t n = ::pwrite(pages.file.get(), kZeros.data(), std::min<uint64_t>(kZeros.size(), pages.size - at),
                               static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Errno{ENOMEM};
    at += static_cast<uint64_t>(n);
  }
  return {};
}

Result<void> SimMemory::prepare(SimPages& pages) const {
  if (pages.lent.valid()) return {};
  auto lent = reopen(pages.file.get());
  if (!lent) return lent.error();
  pages.lent = *std::move(lent);
  return {};
}

Result<UniqueFd> SimMemory::lend(SimPages& pages) const {
  if (const auto prepared = prepare(pages); !prepared) return prepared.error();
  UniqueFd fd(::fcntl(pages.lent.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) return Errno::last();
  return fd;
}

Result<Holders> SimMemory::holders(SimPages& pages) {
  pages.lent.reset();
  if (::fcntl(pages.file.get(), F_SETLEASE, F_WRLCK) == 0) {
    const int returned = ::fcntl(pages.file.get(), F_SETLEASE, F_UNLCK);
    assert(returned == 0);
    static_cast<void>(returned);
    return Holders::kOnlyUs;
  }
  if (errno == EAGAIN) return Holders::kOthersToo;
  return errno == ENOMEM ? Errno{ENOMEM} : Errno{ENOTSUP};
}

Result<void> SimMemory::discard(const SimPages& pages) {
  constexpr int kMode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  if (::fallocate(pages.file.get(), kMode, 0, static_cast<off_t>(pages.size)) < 0) return Errno::last();
  return {};
}

}  // namespace panbo
