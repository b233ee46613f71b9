// One table says what there is: the key, and how its value is read. A key that is not in it is an error, since it is
// most likely a misspelt one, and the limit that it was to set would not hold.

#include "daemon/app/config_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>

#include "proto/cut_utf8.h"
#include "proto/printable.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {
namespace {

/// Far more than all keys with a comment each.
constexpr size_t kMaxBytes = 64 * 1024;
/// Each level of nesting by "a.b.c" costs one. toml++ has a limit for brackets, but none for these, and goes down the
/// tree by calling itself: some ten thousand levels end the process.
constexpr ptrdiff_t kMaxDots = 1000;
/// Of a key that nobody knows, in a message.
constexpr size_t kMaxShownBytes = 100;

/// What is wrong with a value.
struct BadValue {
  std::string why;
};

std::string text_of(const toml::node& node) {
  const auto text = node.value_exact<std::string>();
  if (!text || text->empty()) throw BadValue{"must be a text in quotes"};
  return *text;
}

uint64_t count_of(const toml::node& node) {
  const auto number = node.value_exact<int64_t>();
  if (!number || *number <= 0) throw BadValue{"must be a whole number, at least 1"};
  return static_cast<uint64_t>(*number);
}

/// Turns "256MiB" into "268435456". False: it is no whole number with a unit, or one that is too large.
bool apply_unit(const CLI::Validator& unit, std::string& text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return false;
  try {
    return unit(text).empty();
  } catch (const CLI::ValidationError&) {
    return false;
  }
}

/// A number of bytes, or a text such as "256MiB".
uint64_t size_of(const toml::node& node) {
  const BadValue bad{"must be a size above 0: a number of bytes, or a text such as \"256MiB\""};
  if (const auto number = node.value_exact<int64_t>()) {
    if (*number <= 0) throw bad;
    return static_cast<uint64_t>(*number);
  }
  std::string text = node.value_exact<std::string>().value_or("");
  if (!apply_unit(CLI::AsSizeValue(false), text)) throw bad;
  const uint64_t bytes = std::strtoull(text.c_str(), nullptr, 10);
  if (bytes == 0) throw bad;
  return bytes;
}

/// A text such as "10s" or "250ms".
Duration duration_of(const toml::node& node) {
  static const std::map<std::string, uint64_t> units = {
      {"ms", 1'000'000}, {"s", 1'000'000'000}, {"min", 60'000'000'000}, {"h", 3600'000'000'000}};
  const BadValue bad{"must be a time above 0 and up to 24 hours, such as \"10s\" or \"250ms\""};
  std::string text = node.value_exact<std::string>().value_or("");
  if (!apply_unit(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::UNIT_REQUIRED), text)) throw bad;
  const uint64_t ns = std::strtoull(text.c_str(), nullptr, 10);
  constexpr Duration kMost = std::chrono::hours(24);
  if (ns == 0 || ns > static_cast<uint64_t>(kMost.count())) throw bad;
  return Duration(static_cast<int64_t>(ns));
}

/// The same, or 0.
Duration duration_or_zero_of(const toml::node& node) {
  const std::string text = node.value_exact<std::string>().value_or("");
  if (node.value_exact<int64_t>() == 0 || text == "0s" || text == "0ms") return {};
  try {
    return duration_of(node);
  } catch (const BadValue&) {
    throw BadValue{"must be 0 or a time of up to 24 hours, such as \"10s\" or \"250ms\""};
  }
}

double share_of(const toml::node& node) {
  const auto share = node.value<double>();
  if (!share || !(*share >= 0) || *share > 1) throw BadValue{"must be a number from 0 to 1"};
  return *share;
}

bool flag_of(const toml::node& node) {
  const auto flag = node.value_exact<bool>();
  if (!flag) throw BadValue{"must be true or false"};
  return *flag;
}

/// [[stock]], as often as there are sizes.
std::vector<StockItem> stock_of(const toml::node& node) {
  const BadValue bad{"must be a list of tables, [[stock]], each with a size and a count"};
  if (!node.is_array()) throw bad;
  std::vector<StockItem> stock;
  for (const toml::node& entry : *node.as_array()) {
    const toml::table* table = entry.as_table();
    if (table == nullptr || table->size() != 2 || !table->contains("size") || !table->contains("count")) throw bad;
    try {
      stock.push_back({.size = size_of(*table->get("size")), .count = count_of(*table->get("count"))});
    } catch (const BadValue& wrong) {
      throw BadValue{fmt::format("entry {} {}", stock.size() + 1, wrong.why)};
    }
  }
  return stock;
}

std::string log_level_of(const toml::node& node) {
  std::string level = text_of(node);
  if (std::find(kLogLevels.begin(), kLogLevels.end(), level) == kLogLevels.end()) {
    throw BadValue{fmt::format("must be one of {}", fmt::join(kLogLevels, ", "))};
  }
  return level;
}

struct Key {
  std::string_view name;
  void (*set)(Settings& settings, const toml::node& value);
};

constexpr Key kKeys[] = {
    {"device", [](Settings& s, const toml::node& v) { s.device = text_of(v); }},
    {"socket", [](Settings& s, const toml::node& v) { s.socket = text_of(v); }},
    {"admin_socket", [](Settings& s, const toml::node& v) { s.admin_socket = text_of(v); }},
    {"log_level", [](Settings& s, const toml::node& v) { s.log_level = log_level_of(v); }},
    {"cache.max", [](Settings& s, const toml::node& v) { s.cache.max = size_of(v); }},
    {"cache.decay", [](Settings& s, const toml::node& v) { s.cache.decay = duration_of(v); }},
    {"cache.headroom", [](Settings& s, const toml::node& v) { s.cache.headroom = share_of(v); }},
    {"local.decay", [](Settings& s, const toml::node& v) { s.local.decay = duration_or_zero_of(v); }},
    {"total.max", [](Settings& s, const toml::node& v) { s.total.max = size_of(v); }},
    {"pressure.enabled", [](Settings& s, const toml::node& v) { s.pressure.enabled = flag_of(v); }},
    {"client.bytes", [](Settings& s, const toml::node& v) { s.client.bytes = size_of(v); }},
    {"client.addresses", [](Settings& s, const toml::node& v) { s.client.addresses = size_of(v); }},
    {"client.bos", [](Settings& s, const toml::node& v) { s.client.bos = count_of(v); }},
    {"client.requests", [](Settings& s, const toml::node& v) { s.client.requests = count_of(v); }},
    {"client.fds", [](Settings& s, const toml::node& v) { s.client.fds = count_of(v); }},
    {"user.bytes", [](Settings& s, const toml::node& v) { s.user.bytes = size_of(v); }},
    {"user.addresses", [](Settings& s, const toml::node& v) { s.user.addresses = size_of(v); }},
    {"user.bos", [](Settings& s, const toml::node& v) { s.user.bos = count_of(v); }},
    {"user.requests", [](Settings& s, const toml::node& v) { s.user.requests = count_of(v); }},
    {"user.fds", [](Settings& s, const toml::node& v) { s.user.fds = count_of(v); }},
    {"stock", [](Settings& s, const toml::node& v) { s.stock = stock_of(v); }},
    {"connections.per_user", [](Settings& s, const toml::node& v) { s.connections.per_user = count_of(v); }},
};

bool is_table(const std::string& name) {
  return std::any_of(std::begin(kKeys), std::end(kKeys),
                     [prefix = name + "."](const Key& key) { return key.name.starts_with(prefix); });
}

[[noreturn]] void fail(const std::string& file, const toml::source_region& where, const std::string& what) {
  throw SettingsError(fmt::format("{}:{}: {}", file, where.begin.line, what));
}

void read_table(const toml::table& table, const std::string& prefix, const std::string& file, Settings& settings) {
  for (const auto& [key, value] : table) {
    const std::string name = prefix + std::string(key.str());
    if (value.is_table() && is_table(name)) {
      read_table(*value.as_table(), name + ".", file, settings);
      continue;
    }
    const auto* found =
        std::find_if(std::begin(kKeys), std::end(kKeys), [&name](const Key& known) { return known.name == name; });
    if (found == std::end(kKeys))
      fail(file, key.source(), fmt::format("unknown key {}", harmless(cut_utf8(name, kMaxShownBytes))));
    try {
      found->set(settings, value);
      settings.origins[name] = fmt::format("{}:{}", file, value.source().begin.line);
    } catch (const BadValue& bad) {
      fail(file, value.source(), fmt::format("{} {}", name, bad.why));
    }
  }
}

/// Dots outside of comment lines: no text of that many bytes can nest deeper. Lines that begin with '#' nest nothing,
/// not even within a text of several lines.
ptrdiff_t dots_in(std::string_view text) {
  ptrdiff_t dots = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const size_t start = line.find_first_not_of(" \t");
    if (start != std::string_view::npos && line[start] != '#') dots += std::count(line.begin(), line.end(), '.');
  }
  return dots;
}

// Not by toml::parse_file(), which takes a directory for an empty file. Nor is anything read that may never end, or
// that somebody has to write first: the daemon would not start, and not say why.
std::string contents_of(const std::string& path) {
  const auto fail = [&path](const std::string& why) { throw SettingsError(fmt::format("{}: {}", path, why)); };
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) < 0) fail(Errno::last().message());
  if (S_ISDIR(status.st_mode)) fail(Errno{EISDIR}.message());
  if (!S_ISREG(status.st_mode)) fail("is no regular file");
  std::string text;
  std::array<char, 4096> part;
  ssize_t n = 1;
  while (n > 0) {
    n = ::read(file.get(), part.data(), part.size());
    if (n > 0) text.append(part.data(), static_cast<size_t>(n));
    if (text.size() > kMaxBytes) fail(fmt::format("has more than {} bytes", kMaxBytes));
  }
  if (n < 0) fail(Errno::last().message());
  return text;
}

}  // namespace

std::vector<std::string> config_keys() {
  std::vector<std::string> keys;
  for (const Key& key : kKeys) keys.emplace_back(key.name);
  return keys;
}

void read_config_file(const std::string& path, Settings& settings) {
  read_config(contents_of(path), path, settings);
}

void read_config(std::string_view text, const std::string& name, Settings& settings) {
  if (dots_in(text) > kMaxDots) throw SettingsError(fmt::format("{}: has more than {} dots", name, kMaxDots));
  try {
    read_table(toml::parse(text), "", name, settings);
  } catch (const toml::parse_error& error) {
    fail(name, error.source(), harmless(error.description()));
  }
}

}  // namespace panbo
