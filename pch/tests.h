// For the tests.
#pragma once

#include "pch/standard.h"

#include <gtest/gtest.h>
