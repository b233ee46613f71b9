#include "tests/sim/table_memory.h"

#include <sys/mman.h>

#include <new>
#include <stdexcept>

namespace panbo::sim {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kMost = size_t{1} << 26;

/// The one whose pages' faults are counted.
TableMemory* volatile guarded_memory = nullptr;

}  // namespace

TableMemory::TableMemory(bool guarded) {
  if (!guarded) return;
  void* memory = ::mmap(nullptr, kMost, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || guarded_memory != nullptr) throw std::runtime_error("no memory for lease tables");
  memory_ = static_cast<std::byte*>(memory);
  guarded_memory = this;
  struct sigaction action {};
  action.sa_sigaction = &TableMemory::on_fault;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSEGV, &action, &before_);
}

TableMemory::~TableMemory() {
  if (!guarded()) return;
  ::sigaction(SIGSEGV, &before_, nullptr);
  guarded_memory = nullptr;
  ::munmap(memory_, kMost);
}

std::span<LeaseWord> TableMemory::make(size_t words) {
  std::byte* const table = memory_ + used_;
  used_ += (words * sizeof(LeaseWord) + kPage - 1) / kPage * kPage;
  if (used_ > kMost) throw std::bad_alloc();
  return {reinterpret_cast<LeaseWord*>(table), words};
}

void TableMemory::close() {
  if (guarded()) protect(PROT_NONE);
}

void TableMemory::open() {
  if (guarded()) protect(PROT_READ | PROT_WRITE);
}

void TableMemory::protect(int how) {
  if (used_ > 0) ::mprotect(memory_, used_, how);
}

void TableMemory::on_fault(int signal, siginfo_t* info, void* /*context*/) {
  TableMemory* const self = guarded_memory;
  auto* const address = static_cast<std::byte*>(info->si_addr);
  if (self == nullptr || address < self->memory_ || address >= self->memory_ + kMost) {
    // A crash of another kind: it happens again, unhandled.
    ::signal(signal, SIG_DFL);
    return;
  }
  const auto offset = static_cast<size_t>(address - self->memory_);
  ::mprotect(self->memory_ + offset / kPage * kPage, kPage, PROT_READ | PROT_WRITE);
  self->touched_ = self->touched_ + 1;
}

}  // namespace panbo::sim
