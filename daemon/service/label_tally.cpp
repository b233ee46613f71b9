// Labels are counted when somebody asks and not when BOs come and go: an allocation is not to pay for what is seldom
// looked at.

#include "daemon/service/label_tally.h"

#include <algorithm>
#include <tuple>

namespace panbo {

void LabelTally::append_rows(ClientId client, const std::string& client_name, std::vector<LabelRow>& out) const {
  std::vector<LabelRow> rows;
  rows.reserve(amounts_.size());
  for (const auto& [label, leased] : amounts_) {
    rows.push_back({.client = client, .client_name = client_name, .label = std::string(label), .leased = leased});
  }
  if (rows.size() > kMaxLabelRows) {
    const auto first_other = rows.begin() + (kMaxLabelRows - 1);
    std::nth_element(rows.begin(), first_other, rows.end(), larger_first);
    LabelRow others{.client = client, .client_name = client_name};
    for (auto row = first_other; row != rows.end(); ++row) {
      others.leased += row->leased;
      ++others.others;
    }
    rows.erase(first_other, rows.end());
    rows.push_back(std::move(others));
  }
  std::move(rows.begin(), rows.end(), std::back_inserter(out));
}

bool larger_first(const LabelRow& a, const LabelRow& b) {
  if (a.leased.bytes != b.leased.bytes) return a.leased.bytes > b.leased.bytes;
  return std::tie(a.client, a.label, a.others) < std::tie(b.client, b.label, b.others);
}

}  // namespace panbo
