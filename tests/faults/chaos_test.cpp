// Everything at once, at random: clients that do all that the protocol has and are killed at any moment of it, on a
// device on which anything fails. Afterwards nothing is left of it.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <random>

#include "tests/faults/faults_test.h"

namespace panbo {
namespace {

using ChaosTest = FaultsTest;

/// One client's life: some steps, with or without reading what comes of them.
class Life {
 public:
  Life(WirePeer peer, unsigned seed) : peer_(std::move(peer)), random_(seed) {}

  void live() {
    if (one_in(20)) return;
    if (one_in(2)) {
      table_.emplace(peer_.hello_with_table());
    } else {
      peer_.hello();
    }
    for (unsigned steps = random_() % 20; steps > 0; --steps) step();
  }

 private:
  bool one_in(unsigned n) { return random_() % n == 0; }

  void step() {
    switch (random_() % 8) {
      case 0:
      case 1:
      case 2:
        ask();
        break;
      case 3:
        read();
        break;
      case 4:
        release();
        break;
      case 5:
        if (table_) scribble();
        break;
      case 6:
        if (one_in(8)) ::shutdown(peer_.socket(), one_in(2) ? SHUT_RD : SHUT_WR);
        break;
      default:
        for (int i = 0; i < 3; ++i) read();
    }
  }

  void ask() {
    wire::Envelope message;
    message.set_request_id(random_());
    for (unsigned n = one_in(5) ? 64 : 1 + random_() % 4; n > 0; --n) {
      wire::AllocItem& item = *message.mutable_alloc()->add_items();
      item.set_size(one_in(10) ? random_() : uint64_t{4096} << random_() % 11);
      item.set_flags(one_in(4) ? random_() % 8 : 0);
      if (one_in(3)) item.set_extra(random_() % 70);
    }
    if (one_in(3)) message.mutable_alloc()->set_timeout_ns(random_() % 20'000'000);
    peer_.send(message);
    ++unread_;
  }

  void read() {
    if (unread_ == 0) return;
    --unread_;
    FromDaemon answer = peer_.receive();
    for (const wire::Grant& grant : answer.message.granted().grants()) leases_.push_back(grant);
    // Some fds are kept for longer than their leases.
    if (one_in(2)) kept_.push_back(std::move(answer));
    if (kept_.size() > 4) kept_.erase(kept_.begin());
  }

  void release() {
    wire::Envelope message;
    message.mutable_release();
    for (unsigned n = random_() % 5; n > 0 && !leases_.empty(); --n) {
      message.mutable_release()->add_lease_ids(leases_.back().lease_id());
      leases_.pop_back();
    }
    peer_.send(message);
  }

  void scribble() {
    for (const wire::Grant& grant : leases_) {
      if (grant.slot() != 0 && one_in(2)) static_cast<void>(table_->free(grant.slot()));
    }
    peer_.send_leases_unused();
    if (one_in(4)) table_->word(random_() % kLeaseTableWords) = random_();
  }

  WirePeer peer_;
  std::mt19937 random_;
  std::optional<ClientTable> table_;
  std::vector<wire::Grant> leases_;
  std::vector<FromDaemon> kept_;
  unsigned unread_ = 0;
};

TEST_F(ChaosTest, fault_09_killed_at_any_moment_on_a_device_where_anything_fails) {
  constexpr unsigned kFamilies = 4;
  const char* set = std::getenv("PANBO_FAULTS_LIVES");
  const unsigned lives = set == nullptr ? 100 : static_cast<unsigned>(std::atoi(set));
  std::vector<std::unique_ptr<Child>> families;
  for (unsigned family = 0; family < kFamilies; ++family) {
    families.push_back(std::make_unique<Child>([this, family, lives](Child& test) {
      for (unsigned i = 0; i < lives; ++i) {
        const unsigned seed = family * lives + i;
        run_as(0, [&] {
          try {
            Life life(connect(), seed);
            life.live();
            if (seed % 3 == 0) return true;
            ::kill(::getpid(), SIGKILL);
          } catch (const std::runtime_error&) {
            // It has been disconnected for what it did.
          }
          return true;
        });
      }
      test.say();
      return true;
    }));
  }
  std::mt19937 random(1);
  const auto one_of = [&](auto... choices) {
    const std::common_type_t<decltype(choices)...> all[] = {choices...};
    return all[random() % std::size(all)];
  };
  const auto done = [&] {
    return std::ranges::all_of(families, [](const auto& family) { return family->has_spoken(); });
  };
  for (int i = 0; !done(); ++i) {
    const int error = one_of(ENOMEM, EMFILE, EIO, ENOSPC, ENODEV);
    fail_next(one_of("create", "evictable", "unevictable", "watch"), error, random() % 3);
    // Not all the time: each is tried again after a while, and would meet the next one.
    if (i % 20 == 0 && i < 2000) fail_next("export", one_of(ENOMEM, EMFILE), 1);
    if (i % 7 == 0) limit_memory(one_of(uint64_t{0}, kMiB, 4 * kMiB, 16 * kMiB));
    if (i % 11 == 0) admin_.evict_all();
    if (i % 3 == 0) clients();
    wire::Simulate purge;
    purge.set_purge(true);
    if (i % 13 == 0) admin_.simulate(purge);
  }
  for (const auto& family : families) {
    EXPECT_TRUE(family->wait());
  }
}

}  // namespace
}  // namespace panbo
