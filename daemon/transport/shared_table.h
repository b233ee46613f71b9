// A client's lease table as memory and fds (proto/lease_table.h), with the bell that goes with it.
#pragma once

#include <array>
#include <span>

#include "proto/lease_table.h"
#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

class SharedTable {
 public:
  /// All words are 0. Errors: EMFILE, ENFILE, ENOMEM.
  static Result<SharedTable> make();

  SharedTable(SharedTable&& other) noexcept;
  SharedTable& operator=(SharedTable&&) = delete;
  /// Unmaps it. The client keeps what it has.
  ~SharedTable();

  /// What the client writes to at any time.
  [[nodiscard]] std::span<LeaseWord> words() const { return words_; }

  /// The client's: the memory and its end of the bell. Borrowed, until sent().
  [[nodiscard]] std::array<int, 2> fds() const { return {memory_.get(), clients_end_.get()}; }
  /// The client has them.
  void sent();

  /// Rings. Never waits.
  void ring();

 private:
  SharedTable() = default;

  std::span<LeaseWord> words_;
  UniqueFd memory_;
  UniqueFd our_end_;
  UniqueFd clients_end_;
};

}  // namespace panbo
