#include "client/lib/fork_guard.h"

#include <sys/mman.h>

#include <utility>

namespace panbo {
namespace {

// The kernel rounds it up to a page.
constexpr size_t kBytes = sizeof(int);

}  // namespace

Result<ForkGuard> ForkGuard::make() {
  void* page = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return Errno::last();
  if (::madvise(page, kBytes, MADV_WIPEONFORK) < 0) {
    const Errno error = Errno::last();
    ::munmap(page, kBytes);
    return error;
  }
  int* word = static_cast<int*>(page);
  *word = 1;
  return ForkGuard(word);
}

ForkGuard::ForkGuard(ForkGuard&& other) noexcept : page_(std::exchange(other.page_, nullptr)) {
}

ForkGuard::~ForkGuard() {
  if (page_ != nullptr) ::munmap(const_cast<int*>(page_), kBytes);
}

}  // namespace panbo
