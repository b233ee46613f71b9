// An option whose value is a size in bytes: "4096", "64MiB".
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace panbo::cli {

/// AsSizeValue takes "-1" for the largest number there is, which is the opposite of what anyone could mean.
inline CLI::Option* as_size(CLI::Option* option) {
  const auto unsigned_only = [](std::string& text) {
    return text.starts_with('-') ? "a size cannot be negative: " + text : std::string();
  };
  // Transformations are carried out from the last one added to the first.
  return option->transform(CLI::AsSizeValue(false).description(""))
      ->transform(CLI::Validator(unsigned_only, ""))
      ->type_name("SIZE");
}

}  // namespace panbo::cli
