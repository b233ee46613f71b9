// Texts from somebody else, such as a client's name, on a terminal or in a log: they may do nothing there but appear.
#pragma once

#include <string>
#include <string_view>

namespace panbo {

/// Whether a character does more than appear: control characters, those that turn the direction of writing, and the two
/// that end a line.
[[nodiscard]] constexpr bool does_more_than_appear(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/// What is written for such a character, and for the backslash with which it begins: "\\n", "\\x1b", "\\u{202e}". Empty
/// for every other character, which is written as it is.
[[nodiscard]] std::string escape_of(char32_t c);

/// The text with a '?' for each such character, and for each byte that is no UTF-8.
[[nodiscard]] std::string harmless(std::string_view text);

/// The text in single quotes, for a log. Such characters are escaped, and so are quotes, so that no text can look as if
/// it ended before its end; bytes that are no UTF-8 are replaced by U+FFFD.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace panbo
