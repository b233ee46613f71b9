// panbod's entry: what it was told, the log, the daemon.
//
// The exit status says whether another try makes sense: panbod.service does not start it again after EX_CONFIG.

#include <spdlog/spdlog.h>
#include <sysexits.h>

#include <csignal>

#include "daemon/app/command_line.h"
#include "daemon/app/daemon.h"
#include "daemon/app/fd_table.h"
#include "daemon/app/logging.h"

int main(int argc, char** argv) {
  using namespace panbo;
  // What nobody reads, or a file that may not grow, is an error of the write, and ends nobody.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  start_logging();
  try {
    const auto parsed = parse_command_line(argc, argv);
    if (const auto* exit = std::get_if<ExitNow>(&parsed)) return exit->status;
    const auto& settings = std::get<Settings>(parsed);
    set_log_level(settings.log_level);
    make_room_for_fds();
    Daemon(settings).run();
    return 0;
  } catch (const SettingsError& error) {
    spdlog::critical("{}", error.what());
    return EX_CONFIG;
  } catch (const std::exception& error) {
    spdlog::critical("{}", error.what());
    return 1;
  }
}
