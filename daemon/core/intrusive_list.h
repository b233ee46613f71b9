// A doubly linked list whose links are in its elements, so that moving a BO between containers allocates nothing and
// removing it needs no search. An element with two hooks can be in two lists of different hooks, never in two of one.
#pragma once

#include <cassert>

namespace panbo {

template <class T>
struct ListHook {
  T* prev = nullptr;
  T* next = nullptr;
  bool linked = false;
};

/// Elements are borrowed and must be removed before they die.
template <class T, ListHook<T> T::*kHook>
class IntrusiveList {
 public:
  IntrusiveList() = default;
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  IntrusiveList(IntrusiveList&& other) noexcept : front_(other.front_), back_(other.back_) {
    other.front_ = other.back_ = nullptr;
  }

  [[nodiscard]] bool empty() const { return front_ == nullptr; }
  /// nullptr if empty.
  [[nodiscard]] T* front() const { return front_; }
  [[nodiscard]] T* back() const { return back_; }
  /// nullptr at the end.
  [[nodiscard]] static T* next(const T& element) { return (element.*kHook).next; }

  void push_back(T& element) {
    ListHook<T>& hook = element.*kHook;
    assert(!hook.linked);
    hook = {.prev = back_, .next = nullptr, .linked = true};
    (back_ != nullptr ? (back_->*kHook).next : front_) = &element;
    back_ = &element;
  }

  void remove(T& element) {
    ListHook<T>& hook = element.*kHook;
    assert(hook.linked);
    (hook.prev != nullptr ? (hook.prev->*kHook).next : front_) = hook.next;
    (hook.next != nullptr ? (hook.next->*kHook).prev : back_) = hook.prev;
    hook = {};
  }

 private:
  T* front_ = nullptr;
  T* back_ = nullptr;
};

}  // namespace panbo
