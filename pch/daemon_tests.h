// For tests of what has the daemon's event loop.
#pragma once

#include "pch/daemon.h"

#include <gtest/gtest.h>
