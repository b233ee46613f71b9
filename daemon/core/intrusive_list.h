// A doubly linked list whose links are in its elements, so that moving a BO between containers allocates nothing and
// removing it needs no search. An element with two hooks can be in two lists of different hooks, never in two of one.
//
// The links go round, so a hook that is in a list has no null in it, and the list itself is one pointer.
#pragma once

#include <cassert>

namespace panbo {

template <class T>
struct ListHook {
  T* prev = nullptr;
  T* next = nullptr;

  [[nodiscard]] bool linked() const { return next != nullptr; }
};

/// Elements are borrowed and must be removed before they die.
template <class T, ListHook<T> T::*kHook>
class IntrusiveList {
 public:
  IntrusiveList() = default;
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  IntrusiveList(IntrusiveList&& other) noexcept : front_(other.front_) { other.front_ = nullptr; }

  [[nodiscard]] bool empty() const { return front_ == nullptr; }
  /// nullptr if empty.
  [[nodiscard]] T* front() const { return front_; }
  [[nodiscard]] T* back() const { return empty() ? nullptr : (front_->*kHook).prev; }
  /// nullptr at the end.
  [[nodiscard]] T* next(const T& element) const {
    T* const next = (element.*kHook).next;
    return next == front_ ? nullptr : next;
  }

  void push_front(T& element) {
    push_back(element);
    front_ = &element;
  }

  void push_back(T& element) {
    ListHook<T>& hook = element.*kHook;
    assert(!hook.linked());
    if (empty()) {
      front_ = &element;
      hook = {.prev = &element, .next = &element};
      return;
    }
    T* const last = back();
    hook = {.prev = last, .next = front_};
    (last->*kHook).next = &element;
    (front_->*kHook).prev = &element;
  }

  void remove(T& element) {
    ListHook<T>& hook = element.*kHook;
    assert(hook.linked());
    (hook.prev->*kHook).next = hook.next;
    (hook.next->*kHook).prev = hook.prev;
    if (front_ == &element) front_ = hook.next == &element ? nullptr : hook.next;
    hook = {};
  }

 private:
  T* front_ = nullptr;
};

}  // namespace panbo
