// What a BO is for, as its client says: a text that most BOs have not got, and which then takes no more than a pointer.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace panbo {

class Label {
 public:
  /// Empty: there is none.
  [[nodiscard]] std::string_view text() const { return text_ == nullptr ? std::string_view() : *text_; }
  void set(std::string_view text) { text_ = text.empty() ? nullptr : std::make_unique<const std::string>(text); }

 private:
  std::unique_ptr<const std::string> text_;
};

}  // namespace panbo
