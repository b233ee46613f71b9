#include "client/lib/wire_text.h"

#include <utf8.h>

#include <algorithm>

namespace panbo {
namespace {

bool continues_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

size_t cut(std::string_view text) {
  if (text.size() <= limits::kMaxNameBytes) return text.size();
  size_t size = limits::kMaxNameBytes;
  // Not in front of a byte that continues a character. No character has more than three of those.
  const size_t least = size - 3;
  while (size > least && continues_character(text[size])) --size;
  return size;
}

}  // namespace

WireText::WireText(std::string_view text) : size_(cut(text)) {
  const auto end = std::copy_n(text.begin(), size_, bytes_.begin());
  for (auto bad = bytes_.begin(); (bad = utf8::find_invalid(bad, end)) != end;) *bad = '?';
}

}  // namespace panbo
