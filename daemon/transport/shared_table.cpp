// The memory cannot shrink, which would make a look at it a SIGBUS, nor grow, nor be sealed any further. A hole that
// the client punches reads as zeros, which is a word like any other.
//
// The bell is a socket and not an eventfd: O_NONBLOCK of an eventfd belongs to both ends, so a client could clear it,
// fill the counter, and have the daemon wait for ever. On a socket each send says for itself that it does not wait. Our
// end takes nothing in, or the client could leave packets and fds there for us to keep.

#include "daemon/transport/shared_table.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <memory>
#include <tuple>
#include <utility>

namespace panbo {
namespace {

constexpr size_t kBytes = kLeaseTableWords * sizeof(LeaseWord);

/// Of linux/memfd.h since Linux 6.3: the memory is nobody's program, and never will be.
constexpr unsigned kNoExecSeal = 0x0008;

UniqueFd make_memory() {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  UniqueFd memory(::memfd_create("panbo-leases", kFlags | kNoExecSeal));
  // An older kernel does not know the flag.
  if (!memory.valid() && errno == EINVAL) memory.reset(::memfd_create("panbo-leases", kFlags));
  return memory;
}

}  // namespace

Result<SharedTable> SharedTable::make() {
  SharedTable table;
  table.memory_ = make_memory();
  if (!table.memory_.valid() || ::ftruncate(table.memory_.get(), kBytes) < 0 ||
      ::fcntl(table.memory_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
    return Errno::last();
  }
  int bell[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, bell) < 0) return Errno::last();
  table.our_end_.reset(bell[0]);
  table.clients_end_.reset(bell[1]);
  if (::shutdown(table.our_end_.get(), SHUT_RD) < 0) return Errno::last();
  void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, table.memory_.get(), 0);
  if (memory == MAP_FAILED) return Errno::last();
  table.words_ = std::span(static_cast<LeaseWord*>(memory), kLeaseTableWords);
  std::uninitialized_value_construct(table.words_.begin(), table.words_.end());
  return table;
}

SharedTable::SharedTable(SharedTable&& other) noexcept
    : words_(std::exchange(other.words_, {})),
      memory_(std::move(other.memory_)),
      our_end_(std::move(other.our_end_)),
      clients_end_(std::move(other.clients_end_)) {
}

SharedTable::~SharedTable() {
  if (!words_.empty()) ::munmap(words_.data(), kBytes);
}

void SharedTable::sent() {
  memory_.reset();
  clients_end_.reset();
}

// Whatever goes wrong: the client has been rung for already and does not look, or has closed its end.
void SharedTable::ring() {
  const char byte = 0;
  std::ignore = ::send(our_end_.get(), &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace panbo
