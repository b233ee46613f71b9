// What the tests of the service start with: a service on fakes, and clients that keep what they are told.
#pragma once

#include <gtest/gtest.h>

#include "daemon/service/service.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_memory.h"
#include "tests/support/settle.h"

namespace panbo {

inline constexpr uint64_t kMiB = uint64_t{1} << 20;

/// A client at the other end of a wire without length: keeps what it was told.
class FakeClient : public ClientPort {
 public:
  FakeClient(Service& service, uint32_t uid) : service_(service), id_(service.connect({.uid = uid, .pid = 7}, *this)) {}
  ~FakeClient() override { leave(); }

  void send(ClientRequest message) {
    service_.handle(id_, RequestId{++request_}, std::move(message));
    settle(service_, id_);
  }
  void hello() { send(HelloRequest{.protocol_version = 1, .name = "fake"}); }
  void leave() {
    service_.disconnect(id_);
    settle(service_);
  }

  /// Asks for BOs of these sizes; the answer, if there is one yet, is in replies.back().
  void alloc(std::vector<uint64_t> sizes, Duration timeout = {}, uint32_t flags = 0) {
    AllocRequest request{.timeout = timeout};
    for (const uint64_t size : sizes) request.items.push_back({.size = size, .flags = flags});
    send(std::move(request));
  }
  /// A BO that must be had at once.
  Grant must_alloc(uint64_t size) {
    alloc({size});
    return std::get<GrantedReply>(replies.back()).grants.at(0);
  }
  void release(const Grant& grant) { send(ReleaseRequest{{grant.lease}}); }

  template <class Reply>
  const Reply* last() const {
    return replies.empty() ? nullptr : std::get_if<Reply>(&replies.back());
  }
  [[nodiscard]] FailureKind failure() const { return std::get<FailureReply>(replies.back()).kind; }

  void reply(RequestId request, ClientReply reply) override {
    answered.push_back(request);
    replies.push_back(std::move(reply));
  }
  void close() override { closed = true; }
  std::span<LeaseWord> make_lease_table() override { return table = words_; }
  void ring() override { ++rings; }

  std::vector<RequestId> answered;
  std::vector<ClientReply> replies;
  bool closed = false;
  /// Of its table, if it has one.
  std::span<LeaseWord> table;
  int rings = 0;

 private:
  Service& service_;
  ClientId id_;
  uint64_t request_ = 0;
  /// More than a packet's worth.
  std::array<LeaseWord, 72> words_{};
};

class ServiceTest : public testing::Test {
 protected:
  std::unique_ptr<FakeClient> join(uint32_t uid = 1000) {
    auto client = std::make_unique<FakeClient>(service_, uid);
    client->hello();
    return client;
  }
  Stats stats() { return std::get<Stats>(service_.handle_admin(StatsRequest{})); }
  void finish_job(const Grant& grant) {
    for (const BoId id : device_.finish_job(grant.bo.handle)) service_.on_idle(id);
    settle(service_);
  }
  void tick() {
    service_.tick();
    settle(service_);
  }

  FakeClock clock_;
  FakeDevice device_;
  FakeMemory memory_;
  std::vector<Shortage> shortages_;
  ServiceOptions options_{
      .client_quota = {.bytes = 5000 * kMiB, .addresses = 6000 * kMiB, .bos = 100, .requests = 64, .fds = 128},
      .user_quota = {.bytes = 5000 * kMiB, .addresses = 9000 * kMiB, .bos = 150, .requests = 100, .fds = 1024},
      .on_shortage = [this](const Shortage& s) { shortages_.push_back(s); }};
  Service service_{device_, nullptr, memory_, clock_, options_};
};

}  // namespace panbo
