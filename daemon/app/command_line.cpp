// The command line has what one changes to try something; everything else is in the configuration file, which it
// overrides.

#include "daemon/app/command_line.h"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "daemon/app/config_file.h"

namespace panbo {
namespace {

constexpr const char* kDefaultConfigFile = "/etc/panbo/panbod.toml";

void read_named_config_file(const std::string& path, Settings& settings) {
  try {
    read_config_file(path, settings);
  } catch (const SettingsError& error) {
    throw SettingsError(std::string("--config ") + error.what());
  }
}

}  // namespace

std::variant<Settings, ExitNow> parse_command_line(int argc, const char* const* argv) {
  CLI::App app("panbod: one GPU memory cache for all processes of a Mali board", "panbod");
  app.set_version_flag("--version", "panbod " PANBO_VERSION);

  std::optional<std::string> device;
  std::optional<std::string> socket;
  std::optional<std::string> admin_socket;
  std::optional<std::string> log_level;
  std::optional<std::string> config_file;
  std::optional<std::string> record;
  app.add_option(
      "--device", device,
      "auto or panfrost (the GPU that has this driver), panfrost:NODE, sim or sim:clear (no hardware) [auto]");
  app.add_option("--socket", socket, "Where clients connect [/run/panbo/panbo.sock]");
  app.add_option("--admin-socket", admin_socket, "Where panboctl connects [admin.sock beside the other socket]");
  app.add_option("--config", config_file,
                 std::string("Configuration file [") + kDefaultConfigFile + ", if it is there]");
  app.add_option("--log-level", log_level, "What to log [info]")
      ->check(CLI::IsMember(std::vector<std::string>(kLogLevels.begin(), kLogLevels.end())));
  app.add_option("--record", record, "Write a trace of what clients ask for and give back to this file");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ExitNow{app.exit(error) == 0 ? 0 : 2};
  }

  Settings settings;
  if (config_file) {
    read_named_config_file(*config_file, settings);
  } else if (std::filesystem::exists(kDefaultConfigFile)) {
    read_config_file(kDefaultConfigFile, settings);
  }
  const auto override_with = [&settings](const std::optional<std::string>& value, auto& setting, const char* key,
                                         const char* option) {
    if (!value) return;
    setting = *value;
    settings.origins[key] = option;
  };
  override_with(device, settings.device, "device", "--device");
  override_with(socket, settings.socket, "socket", "--socket");
  override_with(admin_socket, settings.admin_socket, "admin_socket", "--admin-socket");
  override_with(log_level, settings.log_level, "log_level", "--log-level");
  settings.record = record;
  return settings;
}

}  // namespace panbo
