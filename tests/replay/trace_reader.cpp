// A trace comes from outside and may be cut off or damaged, so everything is checked that a player relies on: the form
// of each field, and that the story holds together, that is, that nobody releases what was not lent and no number names
// two things. The first thing wrong ends the reading with the offset of its field.

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "tests/replay/trace.h"
#include "trace.pb.h"

namespace panbo::replay {
namespace {

using google::protobuf::io::CodedInputStream;

constexpr uint32_t kFormatVersion = 1;

constexpr uint32_t tag_of(int field) {
  return static_cast<uint32_t>(field) << 3 | 2;
}

std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  if (!file) throw TraceError(path + ": cannot be read");
  return bytes;
}

class Reader {
 public:
  Reader(std::string path, std::string bytes) : path_(std::move(path)), bytes_(std::move(bytes)) {}

  Trace read() {
    read_header();
    while (offset_ < bytes_.size()) read_event();
    end_unrecorded_jobs();
    return std::move(trace_);
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw TraceError(path_ + ": byte " + std::to_string(offset_) + ": " + why);
  }
  void require(bool holds, const char* why) const {
    if (!holds) fail(why);
  }

  // The field at offset_, whose end goes to next_.
  template <class Message>
  Message field(int number) {
    const auto* begin = reinterpret_cast<const uint8_t*>(bytes_.data());
    CodedInputStream in(begin + offset_, static_cast<int>(std::min<size_t>(bytes_.size() - offset_, 1 << 30)));
    const uint32_t tag = in.ReadTag();
    uint32_t length = 0;
    require(tag == tag_of(number), number == trace::Trace::kHeaderFieldNumber ? "not a trace" : "not an event");
    require(in.ReadVarint32(&length), "cut off within a length");
    const size_t start = offset_ + static_cast<size_t>(in.CurrentPosition());
    require(length <= bytes_.size() - start, "cut off within an event");
    Message message;
    require(message.ParseFromArray(begin + start, static_cast<int>(length)), "damaged");
    next_ = start + length;
    return message;
  }

  void read_header() {
    const auto header = field<trace::Header>(trace::Trace::kHeaderFieldNumber);
    if (header.format_version() != kFormatVersion) {
      fail("format version " + std::to_string(header.format_version()) + ", which this reader does not know");
    }
    trace_.name = path_.substr(path_.rfind('/') + 1);
    trace_.name = trace_.name.substr(0, trace_.name.rfind('.'));
    trace_.recorder = header.recorder();
    offset_ = next_;
  }

  void read_event() {
    const auto event = field<trace::Event>(trace::Trace::kEventsFieldNumber);
    require(event.delta_ns() <= static_cast<uint64_t>((Duration::max() - now_).count()), "time runs over");
    now_ += Duration(event.delta_ns());
    switch (event.what_case()) {
      case trace::Event::kArrive:
        require(clients_.insert(event.client()).second && !departed_.contains(event.client()),
                "a client with a number that was used before");
        add(event, Arrive{.name = event.arrive().name(), .uid = event.arrive().uid()});
        break;
      case trace::Event::kDepart:
        require(clients_.erase(event.client()) == 1, "a client departs that is not there");
        departed_.insert(event.client());
        std::erase_if(leased_, [&](const auto& lease) { return lease.second == event.client(); });
        add(event, Depart{});
        break;
      case trace::Event::kAlloc:
        require(clients_.contains(event.client()), "a client gets a BO that is not there");
        require(event.alloc().size() > 0, "a BO without a size");
        require(event.alloc().bo() > newest_bo_, "a BO with a number that is not new");
        newest_bo_ = event.alloc().bo();
        leased_.emplace(newest_bo_, event.client());
        add(event, Alloc{.bo = newest_bo_, .size = event.alloc().size(), .flags = event.alloc().flags()});
        break;
      case trace::Event::kRelease:
        read_release(event);
        break;
      case trace::Event::kIdle:
        require(busy_.erase(event.idle().bo()) == 1, "a BO becomes idle that was not busy");
        add(event, Idle{.bo = event.idle().bo()});
        break;
      case trace::Event::WHAT_NOT_SET:
        fail("an event that says nothing");
    }
    offset_ = next_;
  }

  void read_release(const trace::Event& event) {
    const auto lease = leased_.find(event.release().bo());
    require(lease != leased_.end() && lease->second == event.client(), "a client releases a BO that it has not got");
    leased_.erase(lease);
    if (event.release().busy()) busy_.emplace(event.release().bo(), trace_.events.size());
    add(event, Release{.bo = event.release().bo(), .busy = event.release().busy()});
  }

  template <class What>
  void add(const trace::Event& event, What what) {
    trace_.events.push_back({.at = now_, .client = event.client(), .what = std::move(what)});
  }

  void end_unrecorded_jobs() {
    for (const auto& [bo, index] : busy_) {
      const Event release = trace_.events[index];
      trace_.events.push_back({.at = release.at + kUnrecordedJob, .client = release.client, .what = Idle{bo}});
    }
    if (busy_.empty()) return;
    std::stable_sort(trace_.events.begin(), trace_.events.end(),
                     [](const Event& a, const Event& b) { return a.at < b.at; });
  }

  const std::string path_;
  const std::string bytes_;
  size_t offset_ = 0;
  size_t next_ = 0;
  Duration now_{};
  Trace trace_;
  std::set<uint32_t> clients_;
  std::set<uint32_t> departed_;
  uint64_t newest_bo_ = 0;
  /// Who has which BO.
  std::map<uint64_t, uint32_t> leased_;
  /// The release of each BO that a job still uses.
  std::map<uint64_t, size_t> busy_;
};

}  // namespace

Trace read_trace(const std::string& path) {
  return Reader(path, slurp(path)).read();
}

}  // namespace panbo::replay
