// What a request to the daemon costs, beside the least that it could.
#pragma once

namespace panbo::bench {

/// Everything runs on one CPU. Throws std::runtime_error.
void roundtrip(bool json);

}  // namespace panbo::bench
