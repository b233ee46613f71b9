// A string as panbo.proto wants it: short, and valid UTF-8.
#pragma once

#include <array>
#include <string_view>

#include "proto/limits.h"

namespace panbo {

/// Cuts at limits::kMaxNameBytes, between characters, and turns bytes that are no UTF-8 into '?'. protobuf refuses a
/// whole message for one such byte, and a program's name may contain anything. Allocates nothing.
class WireText {
 public:
  explicit WireText(std::string_view text);

  [[nodiscard]] std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, limits::kMaxNameBytes> bytes_;
  size_t size_;
};

}  // namespace panbo
