// One translation for each ioctl that has to do with BOs: from the kernel's terms to libpanbo's.
#pragma once

#include "client/interpose/kernel.h"
#include "client/interpose/open_file.h"

namespace panbo::interpose {

/// Whether translate() has anything to do with the request, on a panfrost file.
[[nodiscard]] bool is_translated(unsigned long request);

/// Does what the program asks for, `call.fd` being one of `file`. As ioctl(2), with the errors of the kernel: -1 and
/// errno on failure; errno is left alone on success.
int translate(OpenFile& file, const IoctlCall& call);

}  // namespace panbo::interpose
