#include "client/lib/wire_text.h"

#include <utf8.h>

#include <algorithm>

#include "proto/cut_utf8.h"

namespace panbo {

WireText::WireText(std::string_view text) : size_(cut_utf8(text, limits::kMaxNameBytes).size()) {
  const auto end = std::copy_n(text.begin(), size_, bytes_.begin());
  for (auto bad = bytes_.begin(); (bad = utf8::find_invalid(bad, end)) != end;) *bad = '?';
}

}  // namespace panbo
