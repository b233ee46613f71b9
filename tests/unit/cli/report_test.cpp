#include "client/cli/report.h"

#include <gtest/gtest.h>

#include <limits>
#include <sstream>

namespace panbo::cli {
namespace {

void set(wire::Amount* amount, uint64_t count, uint64_t bytes) {
  amount->set_count(count);
  amount->set_bytes(bytes);
}

/// A number of its own for each field.
wire::Stats some_stats() {
  wire::Stats stats;
  stats.set_daemon_version("1.2.3");
  stats.set_backend("panfrost");
  stats.set_driver("panfrost 1.2.0");
  stats.set_node("/dev/dri/renderD128");
  set(stats.mutable_leased(), 1, 4096);
  set(stats.mutable_local(), 5, 2048);
  set(stats.mutable_draining(), 2, 8192);
  set(stats.mutable_held(), 3, 12288);
  set(stats.mutable_ready(), 4000, 1 << 30);
  stats.set_requests(1000);
  stats.set_cached(800);
  stats.set_fresh(150);
  stats.set_waited(20);
  stats.set_failed(10);
  set(stats.mutable_evicted(), 7, 700);
  set(stats.mutable_purged(), 8, 1536);
  set(stats.mutable_stock(), 9, 9216);
  set(stats.mutable_taken(), 6, 1024);
  stats.set_longest_turn_ns(1'234'001);
  return stats;
}

wire::Client some_client() {
  wire::Client client;
  client.set_id(12);
  client.set_name("glmark2");
  client.set_uid(1000);
  client.set_pid(4711);
  set(client.mutable_leased(), 3, 3 << 20);
  set(client.mutable_local(), 2, 1 << 20);
  set(client.mutable_taken(), 1, 4096);
  return client;
}

TEST(ReportTest, TheJsonIsWhatProgramsRelyOn) {
  EXPECT_EQ(
      stats_json(some_stats(), {some_client()}).dump(),
      R"({"version":"1.2.3",)"
      R"("device":{"backend":"panfrost","driver":"panfrost 1.2.0","node":"/dev/dri/renderD128"},)"
      R"("bo":{"leased":{"count":1,"bytes":4096},"draining":{"count":2,"bytes":8192},)"
      R"("held":{"count":3,"bytes":12288},"ready":{"count":4000,"bytes":1073741824},"local":{"count":5,"bytes":2048},)"
      R"("stock":{"count":9,"bytes":9216},"taken":{"count":6,"bytes":1024}},)"
      R"("alloc":{"requests":1000,"cached":800,"fresh":150,"waited":20,"failed":10},)"
      R"("evicted":{"count":7,"bytes":700},"purged":{"count":8,"bytes":1536},"longest_turn_us":1235,)"
      R"("clients":[{"id":12,"name":"glmark2","uid":1000,"pid":4711,"leased":{"count":3,"bytes":3145728},)"
      R"("local":{"count":2,"bytes":1048576},"taken":{"count":1,"bytes":4096},"gone":false,"unread_fds":0}]})");
}

wire::Setting setting(const char* key, const char* value, const char* unit, const char* origin) {
  wire::Setting setting;
  setting.set_key(key);
  setting.set_value(value);
  setting.set_unit(unit);
  setting.set_origin(origin);
  return setting;
}

TEST(ReportTest, SettingsHaveTheirUnits) {
  const std::vector settings = {setting("cache.max", "1610612736", "bytes", "default"),
                                setting("cache.decay", "10000", "ms", "/etc/x.toml:3"),
                                setting("other", "250", "ms", "--other"), setting("new", "7", "parsecs", "future"),
                                setting("socket", "/run/\x1b", "", "systemd")};
  EXPECT_EQ(settings_text(settings),
            "key          value      from\n"
            "cache.max    1.5 GiB    default\n"
            "cache.decay  10 s       /etc/x.toml:3\n"
            "other        250 ms     --other\n"
            "new          7 parsecs  future\n"
            "socket       /run/\\x1b  systemd\n");
  EXPECT_EQ(settings_json({settings[0]}).dump(),
            R"([{"key":"cache.max","value":"1610612736","unit":"bytes","origin":"default"}])");
}

TEST(ReportTest, AnEmptyDaemonHasTheSameJsonMembers) {
  const auto json = stats_json({}, {});
  EXPECT_EQ(json["bo"]["held"].dump(), R"({"count":0,"bytes":0})");
  EXPECT_EQ(json["clients"].dump(), "[]");
  EXPECT_EQ(json.size(), 8u);
}

TEST(ReportTest, JsonKeepsTheLargestNumbers) {
  wire::Stats stats;
  stats.set_requests(std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(stats_json(stats, {})["alloc"]["requests"].dump(), "18446744073709551615");
}

TEST(ReportTest, JsonIsPrintedInAscii) {
  EXPECT_EQ(json_text({{"name", "\x1b[2J\u009b\x7fü"}}), "{\n  \"name\": \"\\u001b[2J\\u009b\\u007f\\u00fc\"\n}\n");
}

TEST(ReportTest, StatsAreAlignedTables) {
  EXPECT_EQ(stats_text(some_stats(), 1),
            "panbod 1.2.3, panfrost: panfrost 1.2.0 at /dev/dri/renderD128\n"
            "1 client connected\n"
            "\n"
            "BOs                count        size\n"
            "leased                 1     4.0 KiB\n"
            "- unused               5     2.0 KiB\n"
            "- taken                6     1.0 KiB\n"
            "draining               2     8.0 KiB\n"
            "held                   3    12.0 KiB\n"
            "ready              4,000     1.0 GiB\n"
            "stock                  9     9.0 KiB\n"
            "\n"
            "Asked for          count       share\n"
            "cached               800      80.0 %\n"
            "fresh                150      15.0 %\n"
            "waited                20       2.0 %\n"
            "failed                10       1.0 %\n"
            "waiting               20       2.0 %\n"
            "all                1,000     100.0 %\n"
            "\n"
            "Given back         count        size\n"
            "evicted                7       700 B\n"
            "purged                 8     1.5 KiB\n"
            "\n"
            "longest turn 1,235 us\n");
}

TEST(ReportTest, ClientsAreATable) {
  wire::Client other = some_client();
  other.set_id(3);
  other.set_name("evil\x1b[2J");
  other.clear_taken();
  EXPECT_EQ(clients_text({some_client(), other}),
            "ID   UID   PID  BOs     size   unused  name\n"
            "12  1000  4711    3  3.0 MiB  1.0 MiB  glmark2\n"
            " 3  1000  4711    3  3.0 MiB  1.0 MiB  evil\\x1b[2J\n"
            "\n"
            "Taken from client 12, which has yet to give it back: 1 BO, 4.0 KiB.\n");
  EXPECT_EQ(clients_text({}), "No clients are connected.\n");
  wire::Client gone;
  gone.set_id(4);
  gone.set_name("hog");
  gone.set_gone(true);
  gone.set_unread_fds(64);
  EXPECT_EQ(clients_text({gone}),
            "ID  UID  PID  BOs  size  unused  name\n"
            " 4    0    0    0   0 B     0 B  hog (gone, 64 fds unread)\n");
}

wire::Label some_label() {
  wire::Label label;
  label.set_client_id(12);
  label.set_client_name("glmark2");
  label.set_label("texture");
  set(label.mutable_leased(), 2, 3 << 20);
  return label;
}

TEST(ReportTest, LabelsAreATable) {
  wire::Label none = some_label(), others = some_label(), evil = some_label();
  none.clear_label();
  others.clear_label();
  others.set_others(1234);
  evil.set_client_name("müller");
  evil.set_label("\x1b[2J");
  EXPECT_EQ(labels_text({some_label(), none, others, evil}),
            "ID  name     BOs     size  label\n"
            "12  glmark2    2  3.0 MiB  texture\n"
            "12  glmark2    2  3.0 MiB  (none)\n"
            "12  glmark2    2  3.0 MiB  (1,234 others)\n"
            "12  müller     2  3.0 MiB  \\x1b[2J\n");
  EXPECT_EQ(labels_text({}), "No client has a BO.\n");
  EXPECT_EQ(labels_json({some_label(), others}).dump(),
            R"([{"client":{"id":12,"name":"glmark2"},"label":"texture","others":0,)"
            R"("leased":{"count":2,"bytes":3145728}},)"
            R"({"client":{"id":12,"name":"glmark2"},"label":"","others":1234,)"
            R"("leased":{"count":2,"bytes":3145728}}])");
}

TEST(ReportTest, LinesFit80Columns) {
  wire::Client client = some_client();
  client.set_id(1'000'000);
  client.set_uid(std::numeric_limits<uint32_t>::max());
  client.set_pid(4194304);
  client.set_name(std::string(64, '\x01'));
  set(client.mutable_leased(), 16384, uint64_t{1023} << 30);
  set(client.mutable_local(), 16384, uint64_t{1023} << 30);
  set(client.mutable_taken(), 16384, uint64_t{1023} << 30);
  wire::Label label = some_label();
  label.set_client_id(1'000'000);
  label.set_client_name(client.name());
  label.set_label(client.name());
  *label.mutable_leased() = client.leased();
  std::istringstream lines(clients_text({client}) + labels_text({label}));
  // An ellipsis is one column of three bytes, and a line has two at most.
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 84u) << line;
}

TEST(ReportTest, AmountsAreASentencesPart) {
  wire::Amount amount;
  set(&amount, 1, 4096);
  EXPECT_EQ(amount_text(amount), "1 BO, 4.0 KiB");
  set(&amount, 1200, 5 << 20);
  EXPECT_EQ(amount_text(amount), "1,200 BOs, 5.0 MiB");
}

}  // namespace
}  // namespace panbo::cli
