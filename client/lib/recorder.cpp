// Each event is one write(2): a program may end without a word, and then nothing is missing. It costs about a
// microsecond, in programs that are being recorded.
//
// The environment is not believed in a program that has more rights than its user: the file would be made with them.

#include "client/lib/recorder.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <protozero/pbf_builder.hpp>
#include <protozero/types.hpp>
#include <tuple>

namespace panbo {
namespace {

using protozero::pbf_tag_type;

// The field numbers of trace.proto.
enum class TraceField : pbf_tag_type { kHeader = 1, kEvents = 2 };
enum class HeaderField : pbf_tag_type { kFormatVersion = 1, kRecorder = 2 };
enum class EventField : pbf_tag_type { kDeltaNs = 1, kClient = 2, kArrive = 3, kDepart = 4, kAlloc = 5, kRelease = 6 };
enum class ArriveField : pbf_tag_type { kName = 1, kUid = 2 };
enum class AllocField : pbf_tag_type { kBo = 1, kSize = 2, kFlags = 3 };
enum class ReleaseField : pbf_tag_type { kBo = 1, kBusy = 2 };

template <class Field>
using Builder = protozero::pbf_builder<Field>;

constexpr uint64_t kLimit = uint64_t{1} << 30;
constexpr uint32_t kFormatVersion = 1;
constexpr std::string_view kPid = "%p";

// The file's name for this process; nothing: it has none.
std::optional<std::string> path_for(const char* pattern, bool is_first) {
  std::string path = pattern;
  const size_t pid = path.find(kPid);
  if (pid != std::string::npos) return path.replace(pid, kPid.size(), std::to_string(::getpid()));
  return is_first ? std::optional(path) : std::nullopt;
}

}  // namespace

// Without a lock, which another thread could hold at a fork. What a forked child finds is its parent's, and stays
// alone.
ProgramRecorder* ProgramRecorder::of_this_process() {
  static std::atomic<ProgramRecorder*> current = nullptr;
  ProgramRecorder* found = current.load();
  if (found != nullptr && found->guard_.in_maker()) return found;
  const char* pattern = ::secure_getenv("PANBO_RECORD");
  if (pattern == nullptr || *pattern == '\0') return nullptr;
  auto path = path_for(pattern, found == nullptr);
  if (!path) return nullptr;
  auto guard = ForkGuard::make();
  if (!guard) return nullptr;
  auto made = std::make_unique<ProgramRecorder>(*std::move(guard), *std::move(path), kLimit);
  return current.compare_exchange_strong(found, made.get()) ? made.release() : found;
}

uint32_t ProgramRecorder::arrive(std::string_view name) noexcept {
  const std::lock_guard lock(mutex_);
  const uint32_t number = ++clients_;
  append(number, [&](Builder<EventField>& event) {
    Builder<ArriveField> arrive(event, EventField::kArrive);
    arrive.add_string(ArriveField::kName, name.data(), name.size());
    arrive.add_uint32(ArriveField::kUid, ::getuid());
  });
  return number;
}

void ProgramRecorder::depart(uint32_t client) noexcept {
  const std::lock_guard lock(mutex_);
  append(client, [](Builder<EventField>& event) { event.add_message(EventField::kDepart, "", 0); });
}

uint64_t ProgramRecorder::alloc(uint32_t client, uint64_t size, uint32_t flags) noexcept {
  const std::lock_guard lock(mutex_);
  const uint64_t number = ++bos_;
  append(client, [&](Builder<EventField>& event) {
    Builder<AllocField> alloc(event, EventField::kAlloc);
    alloc.add_uint64(AllocField::kBo, number);
    alloc.add_uint64(AllocField::kSize, size);
    alloc.add_uint32(AllocField::kFlags, flags);
  });
  return number;
}

void ProgramRecorder::release(uint32_t client, uint64_t bo, bool busy) noexcept {
  const std::lock_guard lock(mutex_);
  append(client, [&](Builder<EventField>& event) {
    Builder<ReleaseField> release(event, EventField::kRelease);
    release.add_uint64(ReleaseField::kBo, bo);
    release.add_bool(ReleaseField::kBusy, busy);
  });
}

template <class Add>
void ProgramRecorder::append(uint32_t client, Add add) noexcept {
  try {
    if (!start()) return;
    const auto now = std::chrono::steady_clock::now();
    std::string field;
    {
      Builder<TraceField> trace(field);
      Builder<EventField> event(trace, TraceField::kEvents);
      event.add_uint64(EventField::kDeltaNs, static_cast<uint64_t>(std::chrono::nanoseconds(now - last_).count()));
      event.add_uint32(EventField::kClient, client);
      add(event);
    }
    last_ = now;
    write(field);
  } catch (const std::bad_alloc&) {
    stop(ENOMEM);
  }
}

bool ProgramRecorder::start() {
  if (started_) return fd_.valid();
  started_ = true;
  last_ = std::chrono::steady_clock::now();
  fd_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (!fd_.valid()) {
    stop(errno);
    return false;
  }
  std::string field;
  {
    Builder<TraceField> trace(field);
    Builder<HeaderField> header(trace, TraceField::kHeader);
    header.add_uint32(HeaderField::kFormatVersion, kFormatVersion);
    header.add_string(HeaderField::kRecorder, "libpanbo");
  }
  write(field);
  return fd_.valid();
}

void ProgramRecorder::write(const std::string& field) {
  if (field.size() > left_) return stop(EFBIG);
  left_ -= field.size();
  size_t written = 0;
  while (written < field.size()) {
    const ssize_t n = ::write(fd_.get(), field.data() + written, field.size() - written);
    if (n >= 0) {
      written += static_cast<size_t>(n);
    } else if (errno != EINTR) {
      const int error = errno;
      // A disk that is full takes a part of what it is given: the file ends with a whole event.
      std::ignore = ::ftruncate(fd_.get(), size_);
      return stop(error);
    }
  }
  size_ += static_cast<off_t>(written);
}

void ProgramRecorder::stop(int error) {
  std::fprintf(stderr, "libpanbo: the recording to %s ends: %s\n", path_.c_str(), std::strerror(error));
  fd_.reset();
}

}  // namespace panbo
