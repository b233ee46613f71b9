#include "client/interpose/environment.h"

#include <cstdlib>
#include <new>
#include <sstream>

namespace panbo::interpose {

std::string add_word(const char* value, const std::string& word, char separator) {
  if (value == nullptr || *value == '\0') return word;
  std::istringstream words(value);
  for (std::string known; std::getline(words, known, separator);) {
    if (known == word) return value;
  }
  return std::string(value) + separator + word;
}

void set_environment(const char* name, const std::string& value) {
  if (::setenv(name, value.c_str(), 1) != 0) throw std::bad_alloc();
}

}  // namespace panbo::interpose
