// Both are processes of their own, as the kernel decides by process whom it kills. The hog's pace is that of the clock:
// after each step it sleeps until the time at which it may have taken that much, so a slow machine makes it slower, and
// pace() tells.

#include "tests/board/memory_hog.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

#include "proto/unique_fd.h"
#include "tests/support/await.h"

namespace panbo::test {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// That of a huge page, if the kernel likes to use them.
constexpr uint64_t kStep = uint64_t{2} << 20;
constexpr uint64_t kPage = 4096;

void end(pid_t pid) {
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

/// Not sparse: what the kernel drops of it has to come from the disk again.
void write_file(const std::string& path, uint64_t bytes) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const std::vector<char> part(kStep, 'p');
  ssize_t n = 0;
  for (uint64_t written = 0; written < bytes && n >= 0; written += static_cast<uint64_t>(n)) {
    n = ::write(file.get(), part.data(), std::min<uint64_t>(kStep, bytes - written));
  }
  if (n < 0 || ::fsync(file.get()) != 0) throw std::runtime_error("cannot write " + path);
}

}  // namespace

MemoryHog::MemoryHog(uint64_t bytes, uint64_t bytes_per_second) : bytes_(bytes) {
  void* shared = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) throw std::runtime_error("no shared memory");
  progress_ = new (shared) Progress{};
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) take(*progress_, bytes, bytes_per_second);
}

MemoryHog::~MemoryHog() {
  if (!killed_) end(pid_);
  ::munmap(progress_, sizeof(Progress));
}

void MemoryHog::take(Progress& progress, uint64_t bytes, uint64_t bytes_per_second) {
  std::ofstream("/proc/self/oom_score_adj") << 1000;
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) ::_exit(EXIT_FAILURE);
  auto* memory_start = static_cast<char*>(memory);
  const auto start = SteadyClock::now();
  for (uint64_t taken = 0; taken < bytes;) {
    // As if each page were written to, but the emulated processor has to fault only once.
    const uint64_t step = std::min(kStep, bytes - taken);
    while (::madvise(memory_start + taken, step, MADV_POPULATE_WRITE) != 0) {
      if (errno != EINTR && errno != EAGAIN && errno != ENOMEM) ::_exit(EXIT_FAILURE);
    }
    taken += step;
    progress.ns = (SteadyClock::now() - start).count();
    progress.taken = taken;
    if (bytes_per_second == 0) continue;
    const double seconds = static_cast<double>(taken) / static_cast<double>(bytes_per_second);
    std::this_thread::sleep_until(
        start + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds)));
  }
  for (;;) ::pause();
}

MemoryHog::State MemoryHog::state() {
  if (!killed_) killed_ = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
  if (killed_) return State::kKilled;
  return progress_->taken >= bytes_ ? State::kDone : State::kTaking;
}

uint64_t MemoryHog::pace() const {
  const double seconds = static_cast<double>(progress_->ns) / 1e9;
  return seconds > 0 ? static_cast<uint64_t>(static_cast<double>(progress_->taken) / seconds) : 0;
}

FileReader::FileReader(const std::string& path, uint64_t bytes) {
  if (!std::filesystem::exists(path)) write_file(path, bytes);
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) throw std::runtime_error("cannot read " + path);
  void* shared = ::mmap(nullptr, sizeof(std::atomic<bool>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) throw std::runtime_error("no shared memory");
  auto* read_once = new (shared) std::atomic<bool>(false);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) {
    void* memory = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
    if (memory == MAP_FAILED) ::_exit(EXIT_FAILURE);
    const auto* page = static_cast<volatile char*>(memory);
    for (;;) {
      for (uint64_t at = 0; at < bytes; at += kPage) static_cast<void>(page[at]);
      *read_once = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  await("the file is read", [read_once] { return read_once->load(); });
  ::munmap(shared, sizeof(std::atomic<bool>));
}

FileReader::~FileReader() {
  end(pid_);
}

}  // namespace panbo::test
