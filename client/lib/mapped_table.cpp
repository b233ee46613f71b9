#include "client/lib/mapped_table.h"

#include <sys/mman.h>
#include <sys/stat.h>

namespace panbo {

// In a forked child something else may be at that address by now.
MappedTable::~MappedTable() {
  if (words_ != nullptr && guard_.in_maker()) ::munmap(words_, count_ * sizeof(LeaseWord));
}

Result<void> MappedTable::map(const UniqueFd& memfd, uint32_t words) {
  const size_t bytes = words * sizeof(LeaseWord);
  struct stat status;
  if (words == 0 || ::fstat(memfd.get(), &status) < 0 || static_cast<uint64_t>(status.st_size) < bytes) {
    return Errno{EPROTO};
  }
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd.get(), 0);
  if (memory == MAP_FAILED) return Errno::last();
  if (::madvise(memory, bytes, MADV_DONTFORK) < 0) {
    const Errno error = Errno::last();
    ::munmap(memory, bytes);
    return error;
  }
  words_ = static_cast<LeaseWord*>(memory);
  count_ = words;
  return {};
}

}  // namespace panbo
