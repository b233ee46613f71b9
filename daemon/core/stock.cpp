// Being full is what ends the work: then nothing is due, and an idle system with its stock makes no wake-ups. The
// kernel does not tell when it takes a BO's pages. It is noticed when one is asked for, or when the board was under
// pressure, and what is missing then is made again, after a while: whoever needed the memory may need it still.

#include "daemon/core/stock.h"

#include <algorithm>

#include "proto/size_class.h"

namespace panbo {
namespace {

constexpr Duration kPause = std::chrono::milliseconds(20);
constexpr Duration kPostponed = std::chrono::milliseconds(200);
constexpr Duration kFirstBackoff = std::chrono::seconds(1);
constexpr Duration kLongestBackoff = std::chrono::minutes(1);

}  // namespace

Stock::Stock(const std::vector<StockItem>& items, uint64_t page_size) : backoff_(kFirstBackoff) {
  for (const StockItem& item : items) shelves_[size_class(item.size, page_size)].wanted += item.count;
}

void Stock::insert(Bo& bo) {
  Shelf& shelf = shelves_.at(bo.key.size);
  shelf.bos.push_back(bo);
  ++shelf.count;
}

void Stock::remove(Bo& bo) {
  Shelf& shelf = shelves_.at(bo.key.size);
  shelf.bos.remove(bo);
  --shelf.count;
  shelf.to_check = std::min(shelf.to_check, shelf.count);
}

Bo* Stock::any(uint64_t size) const {
  const auto shelf = shelves_.find(size);
  return shelf == shelves_.end() ? nullptr : shelf->second.bos.back();
}

Bo* Stock::largest() const {
  const auto largest =
      std::find_if(shelves_.rbegin(), shelves_.rend(), [](const auto& shelf) { return !shelf.second.bos.empty(); });
  return largest == shelves_.rend() ? nullptr : largest->second.bos.back();
}

void Stock::begin_check() {
  for (auto& [size, shelf] : shelves_) shelf.to_check = shelf.count;
}

Bo* Stock::next_to_check() {
  for (auto& [size, shelf] : shelves_) {
    if (shelf.to_check == 0) continue;
    Bo* bo = shelf.bos.front();
    shelf.bos.remove(*bo);
    shelf.bos.push_back(*bo);
    --shelf.to_check;
    return bo;
  }
  return nullptr;
}

bool Stock::to_check() const {
  return std::any_of(shelves_.begin(), shelves_.end(), [](const auto& shelf) { return shelf.second.to_check > 0; });
}

// Small ones first: the large ones are what memory may be too short for.
std::optional<uint64_t> Stock::missing() const {
  for (const auto& [size, shelf] : shelves_) {
    if (shelf.count < shelf.wanted) return size;
  }
  return std::nullopt;
}

std::optional<Time> Stock::due() const {
  return making_ || !missing() ? std::nullopt : std::optional(not_before_);
}

void Stock::made(Time now) {
  making_ = false;
  backoff_ = kFirstBackoff;
  not_before_ = now + kPause;
}

void Stock::failed(Time now) {
  making_ = false;
  not_before_ = now + backoff_;
  backoff_ = std::min(backoff_ * 2, kLongestBackoff);
}

void Stock::lost(Time now) {
  not_before_ = std::max(not_before_, now + backoff_);
}

void Stock::postpone(Time now) {
  not_before_ = std::max(not_before_, now + kPostponed);
}

}  // namespace panbo
