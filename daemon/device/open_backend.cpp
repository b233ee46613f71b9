// A daemon that was to manage a GPU and quietly managed memfds instead would look well and be of no use. So "auto"
// means a real device, and where there is none, the sentence says how to ask for the other kind.

#include "daemon/device/open_backend.h"

namespace panbo {
namespace {

Result<OpenedBackend> panfrost(const std::string& node, std::string& why) {
  auto backend = open_panfrost(node, &why);
  if (!backend) return backend.error();
  return OpenedBackend{.backend = *std::move(backend)};
}

Result<OpenedBackend> sim(SimClearing clearing, std::string& why) {
  auto backend = open_sim(clearing);
  if (!backend) {
    why = "Cannot open the simulated device: " + backend.error().message() + ".";
    return backend.error();
  }
  SimControl* const control = backend->get();
  return OpenedBackend{.backend = *std::move(backend), .sim = control};
}

}  // namespace

Result<OpenedBackend> open_backend(std::string_view device, std::string& why) {
  constexpr std::string_view kNodePrefix = "panfrost:";
  if (device == "sim") return sim(SimClearing::kWhenTouched, why);
  if (device == "sim:clear") return sim(SimClearing::kWhenMade, why);
  if (device == "panfrost") return panfrost("", why);
  if (device == "auto") {
    auto opened = panfrost("", why);
    if (!opened) why += " To run panbo without a GPU, start panbod with --device sim.";
    return opened;
  }
  if (device.size() > kNodePrefix.size() && device.starts_with(kNodePrefix)) {
    return panfrost(std::string(device.substr(kNodePrefix.size())), why);
  }
  why = "Unknown device \"" + std::string(device) +
        "\": it is auto, panfrost, panfrost: with the path of a render node, or sim.";
  return Errno{EINVAL};
}

}  // namespace panbo
