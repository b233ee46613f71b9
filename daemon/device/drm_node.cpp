// Numbers of render nodes follow the order in which drivers happened to probe: on a board with a display controller
// that has one of its own, or with a GPU on PCIe, renderD128 is anybody's. So libdrm lists the nodes, and each is
// opened and asked for its driver.

#include "daemon/device/drm_node.h"

#include <fcntl.h>
#include <xf86drm.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace panbo {
namespace {

struct FreeVersion {
  void operator()(drmVersion* version) const { drmFreeVersion(version); }
};

std::vector<std::string> render_nodes() {
  const int count = drmGetDevices2(0, nullptr, 0);
  if (count <= 0) return {};
  std::vector<drmDevicePtr> devices(static_cast<size_t>(count));
  // The list may have become shorter since; one that came meanwhile is not missed by anybody.
  const int filled = drmGetDevices2(0, devices.data(), count);
  std::vector<std::string> paths;
  for (int i = 0; i < filled; ++i) {
    if ((devices[i]->available_nodes & (1 << DRM_NODE_RENDER)) != 0) {
      paths.emplace_back(devices[i]->nodes[DRM_NODE_RENDER]);
    }
  }
  if (filled > 0) drmFreeDevices(devices.data(), filled);
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

Result<DrmNode> open_drm_node(const std::string& path) {
  DrmNode node{.fd = UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC)), .path = path};
  if (!node.fd.valid()) return Errno::last();
  if (drmGetNodeTypeFromFd(node.fd.get()) != DRM_NODE_RENDER) return Errno{ENOTTY};
  const std::unique_ptr<drmVersion, FreeVersion> version(drmGetVersion(node.fd.get()));
  if (!version) return Errno{ENOTTY};
  node.driver.assign(version->name, static_cast<size_t>(version->name_len));
  node.major = version->version_major;
  node.minor = version->version_minor;
  node.patch = version->version_patchlevel;
  return node;
}

Result<DrmNode> find_drm_node(std::string_view driver, std::string& denied) {
  Errno why{ENODEV};
  for (const std::string& path : render_nodes()) {
    auto node = open_drm_node(path);
    if (node && node->driver == driver) return node;
    if (!node && node.error() == Errno{EACCES}) {
      why = node.error();
      denied = path;
    }
  }
  return why;
}

}  // namespace panbo
