// A panbod of one's own: the real executable, with its sockets in a directory of its own.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <functional>
#include <string>
#include <vector>

namespace panbo {

class PanbodProcess {
 public:
  /// Starts it on a device, with its sockets in a new directory below /tmp, and waits until it accepts clients.
  /// `settings` is the text of its configuration file, config_path(). Its log goes to log_path(), or to `log_fd`, which
  /// is borrowed. Throws std::runtime_error with the log's text if it does not serve.
  ///
  /// `prepare` is called with that directory in the new process, before it becomes panbod: for limits, another user,
  /// the environment. If PANBO_TEST_WRAPPER is set, that program is run with panbod's command line as its arguments,
  /// and is expected to become panbod in the end.
  explicit PanbodProcess(const std::string& device = "sim", const std::string& settings = "", int log_fd = -1,
                         std::function<void(const std::string& directory)> prepare = {});
  /// Ends it with SIGTERM if it still runs, and removes the directory.
  ~PanbodProcess();
  PanbodProcess(const PanbodProcess&) = delete;
  PanbodProcess& operator=(const PanbodProcess&) = delete;

  /// Sends the signal and waits. Returns what waitpid(2) says of its end.
  int stop(int signal = SIGTERM);
  /// After stop(): starts another one like it, at the same paths. Throws like the constructor.
  void start();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::string directory() const { return directory_; }
  [[nodiscard]] std::string socket_path() const { return directory_ + "/panbo.sock"; }
  [[nodiscard]] std::string admin_socket_path() const { return directory_ + "/admin.sock"; }
  [[nodiscard]] std::string config_path() const { return directory_ + "/panbod.toml"; }
  [[nodiscard]] std::string log_path() const { return directory_ + "/log"; }
  [[nodiscard]] std::string log() const;
  /// How many fds it has open.
  [[nodiscard]] size_t open_fds() const;
  /// The number that its next fd will have.
  [[nodiscard]] int first_free_fd() const;

 private:
  [[nodiscard]] std::string fd_directory() const;

  std::string directory_;
  std::vector<std::string> command_;
  /// -1: the file at log_path().
  const int log_fd_;
  std::function<void(const std::string&)> prepare_;
  pid_t pid_ = -1;
};

/// The daemon of this build, or on a board the one that is installed.
[[nodiscard]] std::string panbod_executable();

/// The directory of this executable, where all others of the build are.
[[nodiscard]] std::string executable_directory();

}  // namespace panbo
