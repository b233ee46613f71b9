// The directory is opened once, so that a count costs openat, read and close, without a walk through /proc.
//
// A dma-buf's fdinfo has "count:" before "name:", and the name is up to whoever has the dma-buf: it may contain a
// line that looks like another count. So the first one is taken, and it is not searched for from the end.

#include "daemon/device/dma_buf_refs.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>

namespace panbo {

Result<uint64_t> parse_dma_buf_count(std::string_view fdinfo) {
  constexpr std::string_view kKey = "\ncount:\t";
  const size_t at = fdinfo.find(kKey);
  if (at == std::string_view::npos) return Errno{ENOTSUP};
  const char* first = fdinfo.data() + at + kKey.size();
  uint64_t count;
  const auto parsed = std::from_chars(first, fdinfo.data() + fdinfo.size(), count);
  if (parsed.ec != std::errc()) return Errno{ENOTSUP};
  return count;
}

Result<DmaBufRefs> DmaBufRefs::open() {
  UniqueFd fdinfo(::open("/proc/self/fdinfo", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fdinfo.valid()) return Errno::last();
  return DmaBufRefs(std::move(fdinfo));
}

Result<uint64_t> DmaBufRefs::count(int fd) const {
  std::array<char, 12> name{};
  std::to_chars(name.data(), name.data() + name.size() - 1, fd);
  const UniqueFd file(::openat(fdinfo_.get(), name.data(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return Errno::last();
  // The lines up to "count:" take about 80 bytes.
  std::array<char, 512> text;
  const ssize_t n = ::read(file.get(), text.data(), text.size());
  if (n < 0) return Errno::last();
  return parse_dma_buf_count({text.data(), static_cast<size_t>(n)});
}

}  // namespace panbo
