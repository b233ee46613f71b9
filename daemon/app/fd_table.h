// How many fds the process may have, and room for them.
#pragma once

#include <cstdint>

namespace panbo {

/// Every client needs two fds, and every BO in motion one. Takes as many as the process may have, and returns how many
/// that are.
uint64_t raise_fd_limit();

/// Has the kernel make the process's table of fds large enough that it seldom has to grow. To be called before the
/// process has threads.
void make_room_for_fds();

}  // namespace panbo
