#include "proto/printable.h"

#include <utf8.h>

#include <array>
#include <charconv>
#include <iterator>

namespace panbo {
namespace {

std::string hex(char32_t c) {
  std::array<char, 8> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), static_cast<uint32_t>(c), 16).ptr;
  return {digits.begin(), end};
}

/// Calls each(c, bytes) for each character.
template <class Each>
void for_each_character(const std::string& valid, Each each) {
  for (auto at = valid.begin(); at != valid.end();) {
    const auto start = at;
    const char32_t c = utf8::next(at, valid.end());
    each(c, std::string(start, at));
  }
}

std::string valid_utf8(std::string_view text, char32_t replacement) {
  std::string valid;
  utf8::replace_invalid(text.begin(), text.end(), std::back_inserter(valid), replacement);
  return valid;
}

}  // namespace

std::string escape_of(char32_t c) {
  if (c == '\\') return "\\\\";
  if (!does_more_than_appear(c)) return {};
  if (c == '\n') return "\\n";
  if (c == '\t') return "\\t";
  if (c < 0x80) return (c < 0x10 ? "\\x0" : "\\x") + hex(c);
  return "\\u{" + hex(c) + "}";
}

std::string harmless(std::string_view text) {
  std::string out;
  for_each_character(valid_utf8(text, '?'),
                     [&out](char32_t c, const std::string& bytes) { out += does_more_than_appear(c) ? "?" : bytes; });
  return out;
}

std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for_each_character(valid_utf8(text, 0xfffd), [&out](char32_t c, const std::string& bytes) {
    const std::string escape = c == '\'' ? "\\'" : escape_of(c);
    out += escape.empty() ? bytes : escape;
  });
  return out + "'";
}

}  // namespace panbo
