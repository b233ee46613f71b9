// For libraries to preload that stand in front of ioctl(2).
#pragma once

#include "proto/panfrost_uapi.h"

namespace panbo::test {

/// The ioctl of whoever is next: the C library, or another library of this kind.
int next_ioctl(int fd, unsigned long request, void* argument);

/// Answers a SUBMIT: the job is done at once. On a board no job ends by itself, and a program would wait 500 ms for
/// each. Returns what SUBMIT would; the kernel hears nothing of the job.
int finish(int fd, const uapi::Submit& job);

}  // namespace panbo::test
