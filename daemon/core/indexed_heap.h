// A heap whose elements know their places in it, so that one whose rank changes moves to its new place, and none is
// searched for. An element that hardly changes its rank hardly moves: most updates are two or three comparisons.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace panbo {

/// Elements are borrowed and must be removed before they die. `kPlace` is the heap's own. Before()(a, b): a comes out
/// before b. O(log n) an operation.
template <class T, size_t T::*kPlace, class Before>
class IndexedHeap {
 public:
  [[nodiscard]] bool empty() const { return elements_.empty(); }
  /// nullptr if empty.
  [[nodiscard]] T* front() const { return empty() ? nullptr : elements_.front(); }

  void push(T& element) {
    elements_.push_back(&element);
    element.*kPlace = elements_.size() - 1;
    rise(element.*kPlace);
  }

  void remove(T& element) {
    const size_t place = element.*kPlace;
    T* const last = elements_.back();
    elements_.pop_back();
    if (last == &element) return;
    put(*last, place);
    update(*last);
  }

  /// The element's rank has changed.
  void update(T& element) {
    rise(element.*kPlace);
    sink(element.*kPlace);
  }

 private:
  void put(T& element, size_t place) {
    elements_[place] = &element;
    element.*kPlace = place;
  }

  void swap(size_t a, size_t b) {
    T& of_a = *elements_[a];
    put(*elements_[b], a);
    put(of_a, b);
  }

  void rise(size_t place) {
    while (place > 0) {
      const size_t parent = (place - 1) / 2;
      if (!Before()(*elements_[place], *elements_[parent])) return;
      swap(place, parent);
      place = parent;
    }
  }

  void sink(size_t place) {
    while (true) {
      size_t first = place;
      for (const size_t child : {2 * place + 1, 2 * place + 2}) {
        if (child < elements_.size() && Before()(*elements_[child], *elements_[first])) first = child;
      }
      if (first == place) return;
      swap(place, first);
      place = first;
    }
  }

  std::vector<T*> elements_;
};

}  // namespace panbo
