// Running an io_context for as long as a test needs, and no longer.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>

#include "daemon/core/turns.h"

namespace panbo::test {

/// Runs the event loop until the condition holds. False: it did not, for far longer than it takes anywhere.
template <class Condition>
[[nodiscard]] bool run_until(boost::asio::io_context& io, Condition condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    io.restart();
    io.run_one_for(std::chrono::milliseconds(10));
  }
  return true;
}

/// The same, with turns, as panbod runs them: a turn, then a look at the event loop.
template <class Condition>
[[nodiscard]] bool run_until(boost::asio::io_context& io, Turns& turns, Condition condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    io.restart();
    if (turns.idle()) io.run_one_for(std::chrono::milliseconds(10));
    io.poll();
    turns.run_turn(std::chrono::steady_clock::now());
  }
  return true;
}

/// Does everything that can be done now, without waiting for timers that are not due.
inline void run_what_is_ready(boost::asio::io_context& io) {
  io.restart();
  while (io.poll_one() > 0) continue;
}
inline void run_what_is_ready(boost::asio::io_context& io, Turns& turns) {
  do {
    run_what_is_ready(io);
    turns.run_turn(std::chrono::steady_clock::now());
    io.restart();
  } while (!turns.idle() || io.poll_one() > 0);
}

}  // namespace panbo::test
