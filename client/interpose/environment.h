// Changing variables of the environment that are lists.
#pragma once

#include <string>

namespace panbo::interpose {

/// The list in `value`, which may be nullptr, with `word` in it: unless it is there, at the end.
std::string add_word(const char* value, const std::string& word, char separator);

/// Of this process and the program that it becomes. Throws std::bad_alloc.
void set_environment(const char* name, const std::string& value);

}  // namespace panbo::interpose
