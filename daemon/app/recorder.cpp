// A recording must not harm the daemon: whatever goes wrong after the start ends the recording with one line in the
// log, and the daemon goes on. Writing blocks the event loop for as long as a write of 64 KiB takes.

#include "daemon/app/recorder.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "daemon/app/settings.h"
#include "daemon/service/alloc_flags.h"

namespace panbo {
namespace {

TraceWriter open_writer(const std::string& path, uint64_t limit) {
  auto writer = TraceWriter::create(path, "panbod " PANBO_VERSION, limit);
  if (!writer) throw SettingsError(fmt::format("cannot record to {}: {}", path, writer.error().message()));
  return *std::move(writer);
}

}  // namespace

Recorder::Recorder(const std::string& path, const Clock& clock, uint64_t limit)
    : path_(path), clock_(clock), start_(clock.now()), writer_(open_writer(path, limit)) {
}

Recorder::~Recorder() {
  if (writer_) check(writer_->flush());
}

void Recorder::arrived(ClientId client, const Peer& peer, const std::string& name) {
  trace::Event event;
  event.mutable_arrive()->set_name(name);
  event.mutable_arrive()->set_uid(peer.uid);
  append(event, client);
}

void Recorder::departed(ClientId client) {
  trace::Event event;
  event.mutable_depart();
  append(event, client);
}

void Recorder::lent(ClientId client, BoId bo, const Demand& demand) {
  const Lent& lent = lent_[bo] = {.number = ++bos_, .client = client};
  trace::Event event;
  event.mutable_alloc()->set_bo(lent.number);
  event.mutable_alloc()->set_size(demand.size);
  event.mutable_alloc()->set_flags(flags_of_kind(demand.kind, demand.zeroed));
  append(event, client);
}

void Recorder::released(ClientId client, BoId bo, bool busy) {
  const auto found = lent_.find(bo);
  trace::Event event;
  event.mutable_release()->set_bo(found->second.number);
  event.mutable_release()->set_busy(busy);
  if (!busy) lent_.erase(found);
  append(event, client);
}

void Recorder::idle(BoId bo) {
  const auto found = lent_.find(bo);
  if (found == lent_.end()) return;
  const Lent lent = found->second;
  lent_.erase(found);
  trace::Event event;
  event.mutable_idle()->set_bo(lent.number);
  append(event, lent.client);
}

void Recorder::append(trace::Event& event, ClientId client) {
  if (!writer_) return;
  event.set_client(static_cast<uint32_t>(client.value));
  check(writer_->append(event, clock_.now() - start_));
}

void Recorder::check(const Result<void>& written) {
  if (written) return;
  spdlog::warn("the recording to {} ends: {}", path_, written.error().message());
  writer_.reset();
}

}  // namespace panbo
