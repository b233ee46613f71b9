#include "tests/support/client_table.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <stdexcept>

namespace panbo {
namespace {

constexpr size_t kBytes = kLeaseTableWords * sizeof(LeaseWord);
constexpr int kLimitMs = 60'000;

LeaseWord* map(int memory) {
  void* mapped = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (mapped == MAP_FAILED) throw std::runtime_error("the lease table cannot be mapped");
  return static_cast<LeaseWord*>(mapped);
}

}  // namespace

void ClientTable::Unmap::operator()(LeaseWord* words) const {
  ::munmap(words, kBytes);
}

ClientTable::ClientTable(UniqueFd memory, UniqueFd bell)
    : memory_(std::move(memory)), bell_(std::move(bell)), words_(map(memory_.get())) {
}

bool ClientTable::free(uint32_t slot) const {
  bool wake = false;
  static_cast<void>(free_lease(word(slot), word(slot), word(0), wake));
  return wake;
}

void ClientTable::await_bell() const {
  pollfd p{.fd = bell_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&p, 1, kLimitMs) != 1) throw std::runtime_error("the bell does not ring");
  char byte = 0;
  while (::recv(bell_.get(), &byte, 1, MSG_DONTWAIT) >= 0) continue;
}

}  // namespace panbo
