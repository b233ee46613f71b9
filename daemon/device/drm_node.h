// DRM render nodes by the name of their driver.
#pragma once

#include <string>
#include <string_view>

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

/// An open render node and who drives it.
struct DrmNode {
  UniqueFd fd;
  /// E.g. "/dev/dri/renderD128".
  std::string path;
  /// E.g. "panfrost".
  std::string driver;
  int major = 0;
  int minor = 0;
  int patch = 0;
};

/// Opens the render node `path`, whatever its driver. Errors: those of open(2); ENOTTY it is not a render node.
Result<DrmNode> open_drm_node(const std::string& path);

/// Opens the render node whose driver has this name; of several the first by path. Errors: ENODEV there is none; EACCES
/// there is none among those that may be opened, and `denied` receives the path of one that may not.
Result<DrmNode> find_drm_node(std::string_view driver, std::string& denied);

}  // namespace panbo
