// The file is a protobuf message that is never whole in memory: a header field and event fields, each with tag and
// length in front. Only whole fields are handed to the kernel, so a recorder that is killed leaves a file that a reader
// understands to its end; all that is missing is the piece that was being collected. Where the kernel takes only a part
// of a piece, the file is cut behind the last whole field.

#include "daemon/app/trace_writer.h"

#include <fcntl.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <tuple>

namespace panbo {
namespace {

constexpr size_t kPiece = 64 * 1024;
constexpr uint32_t kFormatVersion = 1;
constexpr uint32_t kLengthDelimited = 2;

}  // namespace

Result<TraceWriter> TraceWriter::create(const std::string& path, const std::string& recorder, uint64_t limit) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (!fd.valid()) return Errno::last();
  TraceWriter writer(std::move(fd), limit);
  trace::Header header;
  header.set_format_version(kFormatVersion);
  header.set_recorder(recorder);
  if (const auto written = writer.collect(trace::Trace::kHeaderFieldNumber, header); !written) return written.error();
  if (const auto written = writer.flush(); !written) return written.error();
  return writer;
}

TraceWriter::~TraceWriter() {
  if (fd_.valid()) (void)flush();
}

Result<void> TraceWriter::append(trace::Event& event, Duration at) {
  event.set_delta_ns(static_cast<uint64_t>((at - last_).count()));
  if (const auto collected = collect(trace::Trace::kEventsFieldNumber, event); !collected) return collected;
  last_ = at;
  return collected_.size() < kPiece ? state_ : flush();
}

Result<void> TraceWriter::collect(uint32_t field, const google::protobuf::MessageLite& message) {
  if (!state_) return state_;
  const size_t before = collected_.size();
  {
    google::protobuf::io::StringOutputStream stream(&collected_);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.WriteTag(field << 3 | kLengthDelimited);
    out.WriteVarint32(static_cast<uint32_t>(message.ByteSizeLong()));
    message.SerializeWithCachedSizes(&out);
  }
  const size_t bytes = collected_.size() - before;
  if (bytes > left_) {
    collected_.resize(before);
    (void)flush();
    if (state_) state_ = Errno{EFBIG};
    return state_;
  }
  left_ -= bytes;
  ends_.push_back(collected_.size());
  return {};
}

Result<void> TraceWriter::flush() {
  size_t written = 0;
  while (state_ && written < collected_.size()) {
    const ssize_t n = ::write(fd_.get(), collected_.data() + written, collected_.size() - written);
    if (n >= 0) {
      written += static_cast<size_t>(n);
    } else if (errno != EINTR) {
      state_ = Errno::last();
    }
  }
  if (written < collected_.size()) {
    // A disk that is full takes a part of what it is given.
    const auto past = std::upper_bound(ends_.begin(), ends_.end(), written);
    written = past == ends_.begin() ? 0 : *std::prev(past);
    std::ignore = ::ftruncate(fd_.get(), size_ + static_cast<off_t>(written));
  }
  size_ += static_cast<off_t>(written);
  collected_.clear();
  ends_.clear();
  return state_;
}

}  // namespace panbo
