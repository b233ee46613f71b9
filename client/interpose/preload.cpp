// libpanbo-run.so: what panbo-run preloads. Its functions have the names and the manners of the C library's, and stand
// in front of them in every program that it is loaded into. libpanbo is linked into it, hidden, so that a program may
// have another one; its own ioctls come by here, too, on an fd of ours, and go on to the kernel.
//
// What is made here is never destroyed: other libraries still close their files when the program has ended.

#include <pthread.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "client/interpose/fd_table.h"
#include "client/interpose/next_kernel.h"
#include "client/interpose/report.h"
#include "client/interpose/translate.h"

namespace panbo::interpose {
namespace {

FdTable& fd_table() {
  static FdTable& table = [&]() -> FdTable& {
    auto* made = new FdTable(*new NextKernel);
    ::pthread_atfork([] { fd_table().before_fork(); }, [] { fd_table().after_fork_in_parent(); },
                     [] { fd_table().after_fork_in_child(); });
    return *made;
  }();
  return table;
}

[[gnu::destructor]] void report() {
  report_counts(fd_table().counts());
}

}  // namespace
}  // namespace panbo::interpose

#define PANBO_RUN_EXPORT extern "C" [[gnu::visibility("default")]]

using panbo::interpose::fd_table;
using panbo::interpose::IoctlCall;
using panbo::interpose::next_functions;

PANBO_RUN_EXPORT int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list arguments;
  va_start(arguments, request);
  const IoctlCall call{fd, request, va_arg(arguments, void*)};
  va_end(arguments);
  if (panbo::interpose::is_translated(request)) {
    if (const auto file = fd_table().find(fd)) return panbo::interpose::translate(*file, call);
  }
  return next_functions().ioctl(fd, request, call.argument);
}

PANBO_RUN_EXPORT int close(int fd) {
  fd_table().forget(fd);
  return next_functions().close(fd);
}

PANBO_RUN_EXPORT int dup2(int from, int to) noexcept {
  const int result = next_functions().dup2(from, to);
  if (result >= 0 && from != to) fd_table().forget(to);
  return result;
}

PANBO_RUN_EXPORT int dup3(int from, int to, int flags) noexcept {
  const int result = next_functions().dup3(from, to, flags);
  if (result >= 0) fd_table().forget(to);
  return result;
}

PANBO_RUN_EXPORT int close_range(unsigned first, unsigned last, int flags) noexcept {
  if ((flags & CLOSE_RANGE_CLOEXEC) == 0) fd_table().forget_range(first, last);
  return next_functions().close_range(first, last, flags);
}

PANBO_RUN_EXPORT void closefrom(int first) noexcept {
  close_range(first < 0 ? 0 : static_cast<unsigned>(first), ~0u, 0);
}
