#include "client/cli/report.h"

#include <fmt/format.h>

#include <charconv>

#include "client/cli/human.h"

namespace panbo::cli {
namespace {

using nlohmann::ordered_json;
using enum Table::Column;

/// These leave room for the other columns of a line, unless its numbers are enormous.
constexpr size_t kNameWidth = 20;
constexpr size_t kLabelWidth = 28;

ordered_json amount_json(const wire::Amount& amount) {
  return {{"count", amount.count()}, {"bytes", amount.bytes()}};
}

/// Padded, so that the columns of one table stand below those of the other.
Table::Row titles(std::string_view what, std::string_view last) {
  return {fmt::format("{:<10}", what), fmt::format("{:>12}", "count"), fmt::format("{:>10}", last)};
}

Table::Row amount_row(const char* name, const wire::Amount& amount) {
  return {name, human_count(amount.count()), human_bytes(amount.bytes())};
}

std::string device_text(const wire::Stats& stats) {
  std::string text = fmt::format("panbod {}, {}: {}", printable(stats.daemon_version()), printable(stats.backend()),
                                 printable(stats.driver()));
  if (!stats.node().empty()) text += " at " + printable(stats.node());
  return text;
}

std::string setting_value(const wire::Setting& setting) {
  uint64_t number = 0;
  const std::string& value = setting.value();
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == value.data() + value.size();
  if (is_number && setting.unit() == "bytes") return human_bytes(number);
  if (is_number && setting.unit() == "ms" && number % 1000 == 0) return fmt::format("{} s", number / 1000);
  return printable(setting.unit().empty() ? value : value + " " + setting.unit());
}

}  // namespace

ordered_json clients_json(const std::vector<wire::Client>& clients) {
  ordered_json list = ordered_json::array();
  for (const wire::Client& client : clients) {
    list.push_back({{"id", client.id()},
                    {"name", client.name()},
                    {"uid", client.uid()},
                    {"pid", client.pid()},
                    {"leased", amount_json(client.leased())},
                    {"local", amount_json(client.local())},
                    {"taken", amount_json(client.taken())},
                    {"gone", client.gone()},
                    {"unread_fds", client.unread_fds()}});
  }
  return list;
}

/// Rounded up.
uint64_t longest_turn_us(const wire::Stats& stats) {
  return stats.longest_turn_ns() / 1000 + (stats.longest_turn_ns() % 1000 != 0 ? 1 : 0);
}

ordered_json stats_json(const wire::Stats& stats, const std::vector<wire::Client>& clients) {
  return {{"version", stats.daemon_version()},
          {"device", {{"backend", stats.backend()}, {"driver", stats.driver()}, {"node", stats.node()}}},
          {"bo",
           {{"leased", amount_json(stats.leased())},
            {"draining", amount_json(stats.draining())},
            {"held", amount_json(stats.held())},
            {"ready", amount_json(stats.ready())},
            {"local", amount_json(stats.local())},
            {"stock", amount_json(stats.stock())},
            {"taken", amount_json(stats.taken())}}},
          {"alloc",
           {{"requests", stats.requests()},
            {"cached", stats.cached()},
            {"fresh", stats.fresh()},
            {"waited", stats.waited()},
            {"failed", stats.failed()}}},
          {"evicted", amount_json(stats.evicted())},
          {"purged", amount_json(stats.purged())},
          {"longest_turn_us", longest_turn_us(stats)},
          {"clients", clients_json(clients)}};
}

std::string stats_text(const wire::Stats& stats, size_t clients) {
  Table bos({kText, kNumber, kNumber}, titles("BOs", "size"));
  bos.add(amount_row("leased", stats.leased()));
  bos.add(amount_row("- unused", stats.local()));
  bos.add(amount_row("- taken", stats.taken()));
  bos.add(amount_row("draining", stats.draining()));
  bos.add(amount_row("held", stats.held()));
  bos.add(amount_row("ready", stats.ready()));
  bos.add(amount_row("stock", stats.stock()));

  const uint64_t requests = stats.requests();
  const uint64_t ended = stats.cached() + stats.fresh() + stats.waited() + stats.failed();
  Table asked({kText, kNumber, kNumber}, titles("Asked for", "share"));
  const auto add = [&](const char* name, uint64_t count) {
    asked.add({name, human_count(count), human_share(count, requests)});
  };
  add("cached", stats.cached());
  add("fresh", stats.fresh());
  add("waited", stats.waited());
  add("failed", stats.failed());
  add("waiting", requests > ended ? requests - ended : 0);
  add("all", requests);

  Table lost({kText, kNumber, kNumber}, titles("Given back", "size"));
  lost.add(amount_row("evicted", stats.evicted()));
  lost.add(amount_row("purged", stats.purged()));

  return fmt::format("{}\n{} connected\n\n{}\n{}\n{}\nlongest turn {} us\n", device_text(stats),
                     clients == 1 ? "1 client" : human_count(clients) + " clients", bos.text(), asked.text(),
                     lost.text(), human_count(longest_turn_us(stats)));
}

std::string clients_text(const std::vector<wire::Client>& clients) {
  if (clients.empty()) return "No clients are connected.\n";
  Table table({kNumber, kNumber, kNumber, kNumber, kNumber, kNumber, kText},
              {"ID", "UID", "PID", "BOs", "size", "unused", "name"});
  std::string owed;
  for (const wire::Client& client : clients) {
    std::string name = printable(client.name(), kNameWidth);
    if (client.gone()) name += fmt::format(" (gone, {} fds unread)", human_count(client.unread_fds()));
    table.add({std::to_string(client.id()), std::to_string(client.uid()), std::to_string(client.pid()),
               human_count(client.leased().count()), human_bytes(client.leased().bytes()),
               human_bytes(client.local().bytes()), std::move(name)});
    if (client.taken().count() == 0) continue;
    owed += fmt::format("Taken from client {}, which has yet to give it back: {}.\n", client.id(),
                        amount_text(client.taken()));
  }
  return owed.empty() ? table.text() : table.text() + '\n' + owed;
}

ordered_json labels_json(const std::vector<wire::Label>& labels) {
  ordered_json list = ordered_json::array();
  for (const wire::Label& label : labels) {
    list.push_back({{"client", {{"id", label.client_id()}, {"name", label.client_name()}}},
                    {"label", label.label()},
                    {"others", label.others()},
                    {"leased", amount_json(label.leased())}});
  }
  return list;
}

std::string labels_text(const std::vector<wire::Label>& labels) {
  if (labels.empty()) return "No client has a BO.\n";
  Table table({kNumber, kText, kNumber, kNumber, kText}, {"ID", "name", "BOs", "size", "label"});
  for (const wire::Label& label : labels) {
    const std::string what = label.others() > 0      ? fmt::format("({} others)", human_count(label.others()))
                             : label.label().empty() ? "(none)"
                                                     : printable(label.label(), kLabelWidth);
    table.add({std::to_string(label.client_id()), printable(label.client_name(), kNameWidth),
               human_count(label.leased().count()), human_bytes(label.leased().bytes()), what});
  }
  return table.text();
}

ordered_json settings_json(const std::vector<wire::Setting>& settings) {
  ordered_json list = ordered_json::array();
  for (const wire::Setting& setting : settings) {
    list.push_back(
        {{"key", setting.key()}, {"value", setting.value()}, {"unit", setting.unit()}, {"origin", setting.origin()}});
  }
  return list;
}

std::string settings_text(const std::vector<wire::Setting>& settings) {
  Table table({kText, kText, kText}, {"key", "value", "from"});
  for (const wire::Setting& setting : settings) {
    table.add({printable(setting.key()), setting_value(setting), printable(setting.origin())});
  }
  return table.text();
}

std::string amount_text(const wire::Amount& amount) {
  return fmt::format("{} {}, {}", human_count(amount.count()), amount.count() == 1 ? "BO" : "BOs",
                     human_bytes(amount.bytes()));
}

std::string json_text(const ordered_json& json) {
  constexpr int kIndent = 2;
  constexpr bool kAscii = true;
  return json.dump(kIndent, ' ', kAscii, ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace panbo::cli
