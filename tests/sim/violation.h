// What a run ends with when the service broke a rule.
#pragma once

#include <stdexcept>
#include <string>

namespace panbo::sim {

class Violation : public std::runtime_error {
 public:
  explicit Violation(const std::string& what) : std::runtime_error(what) {}
};

inline void require(bool holds, const char* rule) {
  if (!holds) throw Violation(rule);
}
inline void require(bool holds, const std::string& rule) {
  if (!holds) throw Violation(rule);
}

}  // namespace panbo::sim
