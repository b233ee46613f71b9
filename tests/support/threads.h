// What a process's own threads do.
#pragma once

namespace panbo::test {

/// Whether each thread of this process but the caller waits for something. One that has just been made does not yet.
bool other_threads_wait();

}  // namespace panbo::test
