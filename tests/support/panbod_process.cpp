// The daemon's log goes to a file: a test that fails shows it. The daemon ends with the test, however that ends.

#include "tests/support/panbod_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/support/wire_peer.h"

namespace panbo {
namespace {

constexpr auto kStartLimit = std::chrono::seconds(20);

UniqueFd open_log(const std::string& path, int fd) {
  if (fd >= 0) return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  return UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
}

pid_t spawn(const std::vector<std::string>& command, const UniqueFd& output, const std::function<void()>& prepare) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  // Another user may have no way to the folder that it is in.
  const UniqueFd program(::open(command[0].c_str(), O_PATH | O_CLOEXEC));
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("cannot fork");
  if (pid == 0) {
    ::dup2(output.get(), STDOUT_FILENO);
    ::dup2(output.get(), STDERR_FILENO);
    prepare();
    // A process that becomes another user's loses this.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::execv(argv[0], argv.data());
    ::execveat(program.get(), "", argv.data(), environ, AT_EMPTY_PATH);
    ::_exit(127);
  }
  return pid;
}

}  // namespace

std::string panbod_executable() {
  const std::string beside = executable_directory() + "/panbod";
  return std::filesystem::exists(beside) ? beside : "/usr/sbin/panbod";
}

std::string executable_directory() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

PanbodProcess::PanbodProcess(const std::string& device, const std::string& settings, int log_fd,
                             std::function<void(const std::string&)> prepare)
    : log_fd_(log_fd), prepare_(std::move(prepare)) {
  std::string pattern = "/tmp/panbod-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no directory below /tmp");
  directory_ = pattern;
  if (!(std::ofstream(config_path()) << settings << std::flush))
    throw std::runtime_error("cannot write " + config_path());
  command_ = {panbod_executable(), "--device", device, "--socket", socket_path(), "--config", config_path()};
  if (const char* wrapper = std::getenv("PANBO_TEST_WRAPPER")) command_.insert(command_.begin(), wrapper);
  start();
}

void PanbodProcess::start() {
  pid_ = spawn(command_, open_log(log_path(), log_fd_), [this] {
    if (prepare_) prepare_(directory_);
  });
  const auto limit = std::chrono::steady_clock::now() + kStartLimit;
  // The admin socket is the last thing that it opens.
  while (!WirePeer::can_connect(admin_socket_path())) {
    const bool ended = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
    if (ended || std::chrono::steady_clock::now() > limit) {
      const std::string text = log();
      if (ended) pid_ = -1;
      throw std::runtime_error("panbod does not serve; its log:\n" + text);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

PanbodProcess::~PanbodProcess() {
  stop();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

int PanbodProcess::stop(int signal) {
  if (pid_ < 0) return 0;
  int status = 0;
  ::kill(pid_, signal);
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
  pid_ = -1;
  return status;
}

std::string PanbodProcess::log() const {
  std::ostringstream text;
  text << std::ifstream(log_path()).rdbuf();
  return text.str();
}

size_t PanbodProcess::open_fds() const {
  const std::filesystem::directory_iterator fds(fd_directory());
  return static_cast<size_t>(std::distance(begin(fds), end(fds)));
}

int PanbodProcess::first_free_fd() const {
  int fd = 0;
  while (std::filesystem::is_symlink(fd_directory() + "/" + std::to_string(fd))) ++fd;
  return fd;
}

std::string PanbodProcess::fd_directory() const {
  return "/proc/" + std::to_string(pid_) + "/fd";
}

}  // namespace panbo
