// What one client uses its BOs for: their sum for each label.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "daemon/core/ids.h"
#include "daemon/core/stats.h"
#include "daemon/service/messages.h"

namespace panbo {

/// Rows that one client can have. A client may give every BO another label, which would help nobody who reads them.
inline constexpr size_t kMaxLabelRows = 32;

class LabelTally {
 public:
  /// One BO of `bytes`. The label must outlive this.
  void add(std::string_view label, uint64_t bytes) { amounts_[label].add(bytes); }

  /// The largest labels; if there are more than rows, the last row has the sum of the others.
  void append_rows(ClientId client, const std::string& client_name, std::vector<LabelRow>& out) const;

 private:
  std::map<std::string_view, Amount> amounts_;
};

/// An order of rows: by bytes, and where these are the same always in the same way.
[[nodiscard]] bool larger_first(const LabelRow& a, const LabelRow& b);

}  // namespace panbo
