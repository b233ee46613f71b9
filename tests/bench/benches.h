// The questions that panbo-bench answers. Each measures everything that its report has in one run, and throws
// std::runtime_error if it cannot.
#pragma once

#include "tests/bench/report.h"

namespace panbo::bench {

/// What an allocation costs: in the process, over the socket, in a batch, fresh; beside an echo, a private cache, and
/// the kernel's memory.
Report allocations();

/// What a pair over the socket takes with up to 64 clients, beside one.
Report throughput();

/// What the daemon and the library take for each client.
Report client_memory();

/// What a cache hit costs the service when many BOs are ready, beside few.
Report full_cache();

/// What the daemon's records of ready BOs take.
Report memory();

/// The 99th percentile of a cache hit while another client has the daemon make large BOs, beside that of one alone.
Report beside_large();

/// What a hit in the process costs beside a private cache, both on a panfrost GPU.
Report panfrost();

}  // namespace panbo::bench
