// Leases that clients keep unused, with the real panbod: what is taken back, and what a client can do to its table.
#include "tests/integration/panbod_test.h"
#include "tests/support/client_table.h"

namespace panbo {
namespace {

class LocalCacheTest : public PanbodTest {
 protected:
  wire::Grant one_of(WirePeer& peer, uint64_t size) { return peer.alloc(size).message.granted().grants(0); }
  static void free(WirePeer& peer, const ClientTable& table, const wire::Grant& grant) {
    if (table.free(grant.slot())) peer.send_leases_unused();
  }
};

TEST_F(LocalCacheTest, WhatIsLeftUnusedIsTakenAndEndsInTheCache) {
  WirePeer peer = connect();
  const ClientTable table = peer.hello_with_table();
  const wire::Grant used = one_of(peer, kMiB);
  const wire::Grant unused = one_of(peer, kMiB);
  free(peer, table, unused);
  await("it is seen", [this] { return admin_.stats().local().count() == 1; });
  table.await_bell();
  EXPECT_TRUE(table.taken(unused.slot()));
  EXPECT_FALSE(table.taken(used.slot()));
  EXPECT_EQ(admin_.stats().local().count(), 0u);
  EXPECT_EQ(admin_.stats().leased().count(), 2u);
  peer.release({unused.lease_id()});
  await("it is ready", [this] { return admin_.stats().ready().count() == 1; });
  peer.release({used.lease_id()});
  expect_nothing_leaked();
}

TEST_F(LocalCacheTest, AnAdministratorAsksBackWhatIsUnused) {
  WirePeer peer = connect();
  const ClientTable table = peer.hello_with_table();
  const wire::Grant unused = one_of(peer, kMiB);
  free(peer, table, unused);
  await("it is seen", [this] { return admin_.stats().local().count() == 1; });
  EXPECT_EQ(admin_.evict_all().asked_back().bytes(), kMiB);
  table.await_bell();
  EXPECT_TRUE(table.taken(unused.slot()));
  peer.release({unused.lease_id()});
  expect_nothing_leaked();
}

TEST_F(LocalCacheTest, ExtraOnesComeWithTheirFds) {
  WirePeer former = connect_and_greet();
  std::vector<uint64_t> leases;
  for (int i = 0; i < 5; ++i) leases.push_back(one_of(former, 4096).lease_id());
  former.release(leases);
  await("they are ready", [this] { return admin_.stats().ready().count() >= 5; });
  WirePeer peer = connect();
  const ClientTable table = peer.hello_with_table();
  wire::Envelope message;
  message.mutable_alloc()->add_items()->set_size(4096);
  message.mutable_alloc()->mutable_items(0)->set_extra(UINT32_MAX);
  const FromDaemon answer = peer.ask(message);
  const auto& grants = answer.message.granted().grants();
  EXPECT_GE(grants.size(), 5);
  EXPECT_EQ(answer.fds.size(), static_cast<size_t>(grants.size()));
  for (int i = 1; i < grants.size(); ++i) EXPECT_EQ(lease_use(table.word(grants[i].slot())), LeaseUse::kUnused);
}

TEST_F(LocalCacheTest, AnOlderLibraryGetsNoTable) {
  WirePeer peer = connect();
  EXPECT_EQ(peer.hello().lease_table_words(), 0u);
  EXPECT_EQ(one_of(peer, 4096).slot(), 0u);
}

TEST_F(LocalCacheTest, AThousandClientsWithTablesLeaveNothingBehind) {
  for (int i = 0; i < 1000; ++i) {
    WirePeer peer = connect();
    const ClientTable table = peer.hello_with_table();
    free(peer, table, one_of(peer, 4096));
  }
  expect_nothing_leaked();
}

}  // namespace
}  // namespace panbo
