#include "tests/support/await.h"

#include <chrono>
#include <stdexcept>
#include <thread>

namespace panbo {
namespace {

constexpr auto kLimit = std::chrono::minutes(2);
constexpr auto kPause = std::chrono::milliseconds(1);

}  // namespace

void await(const std::string& what, const std::function<bool()>& happened) {
  const auto limit = std::chrono::steady_clock::now() + kLimit;
  while (!happened()) {
    if (std::chrono::steady_clock::now() > limit) throw std::runtime_error("in vain: " + what);
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace panbo
