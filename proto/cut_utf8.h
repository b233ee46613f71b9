// Texts that are too long are cut between characters: half a character is no UTF-8.
#pragma once

#include <cstddef>
#include <string_view>

namespace panbo {

/// The first `most` bytes of the text, or a few less.
[[nodiscard]] constexpr std::string_view cut_utf8(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  // The bytes of a character after its first are 10xxxxxx, and no character has more than three of those.
  size_t size = most;
  while (size > 0 && most - size < 3 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  return text.substr(0, size);
}

}  // namespace panbo
