// From the name a user gives a device to the device.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "daemon/device/backend.h"
#include "daemon/device/sim_control.h"
#include "proto/result.h"

namespace panbo {

struct OpenedBackend {
  std::unique_ptr<Backend> backend;
  /// The same object if it is the simulated device, else null.
  SimControl* sim = nullptr;
};

/// `device` is one of
///  - "auto": the GPU with the panfrost driver. Never the simulated device.
///  - "panfrost": the same.
///  - "panfrost:<node>": the GPU of this render node, e.g. "panfrost:/dev/dri/renderD129".
///  - "sim": the simulated device; "sim:clear": one that clears its memory when a BO is made, and takes its time for
///  it.
/// Errors: EINVAL another name; else those of open_panfrost() and open_sim(). Then `why` receives a sentence for
/// people.
Result<OpenedBackend> open_backend(std::string_view device, std::string& why);

}  // namespace panbo
