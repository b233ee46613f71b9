#include "tests/support/fake_lease_table.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <stdexcept>

namespace panbo::test {
namespace {

constexpr size_t kBytes = kLeaseTableWords * sizeof(LeaseWord);

}  // namespace

FakeLeaseTable::FakeLeaseTable() : memfd_(::memfd_create("fake-leases", MFD_CLOEXEC)) {
  int ends[2];
  if (::ftruncate(memfd_.get(), kBytes) != 0 || ::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::runtime_error("no lease table");
  }
  bell_.reset(ends[0]);
  bell_of_client_.reset(ends[1]);
  void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd_.get(), 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no lease table");
  words_ = static_cast<LeaseWord*>(memory);
  words_[0] = 1;
}

FakeLeaseTable::~FakeLeaseTable() {
  ::munmap(words_, kBytes);
}

uint32_t FakeLeaseTable::add(uint64_t lease_id, bool in_use) {
  const std::lock_guard lock(mutex_);
  const auto slot = static_cast<uint32_t>(slots_.size()) + 1;
  slots_.emplace(lease_id, slot);
  words_[slot] = in_use ? 0 : next_unused(0);
  return slot;
}

LeaseWord& FakeLeaseTable::word_of(uint64_t lease_id) {
  const std::lock_guard lock(mutex_);
  return words_[slots_.at(lease_id)];
}

LeaseUse FakeLeaseTable::use_of(uint64_t lease_id) {
  return lease_use(look_at_lease(word_of(lease_id)));
}

bool FakeLeaseTable::take(uint64_t lease_id) {
  LeaseWord& word = word_of(lease_id);
  return take_lease(word, look_at_lease(word));
}

size_t FakeLeaseTable::take_all() {
  const std::lock_guard lock(mutex_);
  size_t taken = 0;
  for (const auto& [lease, slot] : slots_) taken += take_lease(words_[slot], look_at_lease(words_[slot])) ? 1 : 0;
  return taken;
}

void FakeLeaseTable::ring() const {
  const char byte = 0;
  // A bell that is still ringing need not be rung.
  static_cast<void>(::send(bell_.get(), &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL));
}

}  // namespace panbo::test
