// The requests by which a test makes the simulated device do what a real one does when it pleases.
#pragma once

#include <optional>

#include "daemon/device/sim_control.h"
#include "daemon/service/messages.h"
#include "panbo.pb.h"

namespace panbo {

/// Does it; nothing is returned then. `sim` is null where the device is not the simulated one.
[[nodiscard]] std::optional<FailureReply> simulate(SimControl* sim, const wire::Simulate& what);

}  // namespace panbo
