// Errors as values: a Result is a value or the errno that explains its absence.
//
// Every call that can fail in normal operation returns one, so that no caller can overlook it; exceptions are for
// start-up alone. An Errno keeps the kernel's number, because that is what the caller of a device or socket decides by.
#pragma once

#include <cassert>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <variant>

namespace panbo {

/// A positive errno value, never 0.
struct Errno {
  int value;

  /// The calling thread's errno.
  [[nodiscard]] static Errno last() { return Errno{errno}; }
  /// The C library's text for it, e.g. "Cannot allocate memory".
  [[nodiscard]] std::string message() const { return std::strerror(value); }

  friend bool operator==(Errno, Errno) = default;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Errno error) : state_(std::in_place_index<1>, error) { assert(error.value > 0); }

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  /// Only if ok().
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  /// Only if !ok().
  [[nodiscard]] Errno error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Errno> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Errno error) : error_(error) { assert(error.value > 0); }

  [[nodiscard]] bool ok() const { return error_.value == 0; }
  explicit operator bool() const { return ok(); }

  /// Only if !ok().
  [[nodiscard]] Errno error() const { return error_; }

 private:
  Errno error_{0};
};

}  // namespace panbo
