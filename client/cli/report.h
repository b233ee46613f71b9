// What the daemon tells about itself, as JSON for programs and as text for people.
//
// Programs rely on the JSON: names stay, their order stays, and only new ones are added. Sizes are in bytes.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "panbo.pb.h"

namespace panbo::cli {

[[nodiscard]] nlohmann::ordered_json stats_json(const wire::Stats& stats, const std::vector<wire::Client>& clients);
[[nodiscard]] nlohmann::ordered_json clients_json(const std::vector<wire::Client>& clients);

[[nodiscard]] nlohmann::ordered_json labels_json(const std::vector<wire::Label>& labels);

[[nodiscard]] nlohmann::ordered_json settings_json(const std::vector<wire::Setting>& settings);
/// Lines as long as the paths in them.
[[nodiscard]] std::string settings_text(const std::vector<wire::Setting>& settings);

/// Lines of at most 80 columns.
[[nodiscard]] std::string stats_text(const wire::Stats& stats, size_t clients);
[[nodiscard]] std::string clients_text(const std::vector<wire::Client>& clients);
[[nodiscard]] std::string labels_text(const std::vector<wire::Label>& labels);

/// "3 BOs, 1.5 MiB".
[[nodiscard]] std::string amount_text(const wire::Amount& amount);

/// As it is printed: indented, and in ASCII, so that no client's name does anything to a terminal.
[[nodiscard]] std::string json_text(const nlohmann::ordered_json& json);

}  // namespace panbo::cli
