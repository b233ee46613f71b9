#include "tests/replay/trace_output.h"

#include "daemon/app/trace_writer.h"

namespace panbo::replay {
namespace {

void set(trace::Event& event, const Arrive& arrive) {
  event.mutable_arrive()->set_name(arrive.name);
  event.mutable_arrive()->set_uid(arrive.uid);
}
void set(trace::Event& event, const Depart& /*depart*/) {
  event.mutable_depart();
}
void set(trace::Event& event, const Alloc& alloc) {
  event.mutable_alloc()->set_bo(alloc.bo);
  event.mutable_alloc()->set_size(alloc.size);
  event.mutable_alloc()->set_flags(alloc.flags);
}
void set(trace::Event& event, const Release& release) {
  event.mutable_release()->set_bo(release.bo);
  event.mutable_release()->set_busy(release.busy);
}
void set(trace::Event& event, const Idle& idle) {
  event.mutable_idle()->set_bo(idle.bo);
}

}  // namespace

void write_trace(const Trace& trace, const std::string& path) {
  const auto check = [&path](const Result<void>& result) {
    if (!result) throw TraceError(path + ": " + result.error().message());
  };
  auto writer = TraceWriter::create(path, trace.recorder);
  if (!writer) throw TraceError(path + ": " + writer.error().message());
  for (const Event& event : trace.events) {
    trace::Event record;
    record.set_client(event.client);
    std::visit([&record](const auto& what) { set(record, what); }, event.what);
    check(writer->append(record, event.at));
  }
  check(writer->flush());
}

}  // namespace panbo::replay
