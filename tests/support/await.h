// Waiting for what a daemon does in its own time.
#pragma once

#include <functional>
#include <string>

namespace panbo {

/// Waits until `happened`, looking again and again, for as long as a loaded machine may take. Throws std::runtime_error
/// with `what` if that was in vain.
void await(const std::string& what, const std::function<bool()>& happened);

}  // namespace panbo
