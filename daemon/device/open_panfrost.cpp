// Finds the GPU and makes sure that its driver can do what panbo needs. Whatever is in the way is put into a sentence
// that says what to do about it: this is the first thing that a new user of panbo gets to see.

#include "daemon/device/backend.h"
#include "daemon/device/drm_node.h"
#include "daemon/device/panfrost.h"

namespace panbo {
namespace {

void explain(std::string* why, std::string sentence) {
  if (why != nullptr) *why = std::move(sentence);
}

std::string not_openable(const std::string& path, Errno error) {
  if (error == Errno{EACCES}) {
    return "No permission to open " + path + ": add panbod's user to the group that owns it (usually render).";
  }
  if (error == Errno{ENOTTY}) return path + " is not a DRM render node.";
  return "Cannot open " + path + ": " + error.message() + ".";
}

}  // namespace

Result<std::unique_ptr<Backend>> open_panfrost(const std::string& path, std::string* why) {
  std::string denied;
  auto node = path.empty() ? find_drm_node("panfrost", denied) : open_drm_node(path);
  if (!node) {
    if (node.error() == Errno{ENODEV} && path.empty()) {
      explain(why, "No GPU with the panfrost driver was found.");
    } else {
      explain(why, not_openable(path.empty() ? denied : path, node.error()));
    }
    return node.error();
  }
  if (node->driver != "panfrost") {
    explain(why, path + " belongs to the driver " + node->driver + ", not to panfrost.");
    return Errno{ENODEV};
  }
  // 1.1 brought the flags NOEXEC and HEAP; madvise came with the same kernel.
  if (node->major != 1 || node->minor < 1) {
    explain(why, "The panfrost driver of " + node->path + " has version " + std::to_string(node->major) + "." +
                     std::to_string(node->minor) + ", and panbo needs 1.1 or a later 1.x (Linux 5.4).");
    return Errno{EPROTONOSUPPORT};
  }
  const std::string opened = node->path;
  auto backend = make_panfrost(*std::move(node));
  if (!backend) explain(why, opened + " does not work as panbo needs it: " + backend.error().message() + ".");
  return backend;
}

}  // namespace panbo
