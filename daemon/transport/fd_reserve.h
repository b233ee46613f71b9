// The last fds of the daemon are for what the clients that are there ask for. No connection and no lease table takes
// one of them.
#pragma once

namespace panbo {

/// How many fds of so many are reserved.
[[nodiscard]] unsigned long fd_reserve(unsigned long limit);

/// Whether only those are left. `any_fd` is one that is open. Asks the kernel, which costs three system calls.
[[nodiscard]] bool only_reserved_fds_are_left(int any_fd);

}  // namespace panbo
