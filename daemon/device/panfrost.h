// The panfrost driver as a Backend.
#pragma once

#include <memory>

#include "daemon/device/backend.h"
#include "daemon/device/drm_node.h"
#include "proto/result.h"

namespace panbo {

/// Takes over a render node whose driver is panfrost 1.1 or a later 1.x; it is arena 0. Errors: ENOTSUP the kernel does
/// not tell a dma-buf's references; EMFILE, ENOMEM.
Result<std::unique_ptr<Backend>> make_panfrost(DrmNode node);

}  // namespace panbo
