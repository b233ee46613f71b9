// A whole service on the simulated device, for connections to talk to.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "daemon/device/sim_control.h"
#include "daemon/service/service.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_memory.h"

namespace panbo::test {

struct ServiceRig {
  explicit ServiceRig(ServiceOptions options = {}) : service(*sim, nullptr, memory, clock, std::move(options)) {}

  [[nodiscard]] Stats stats() { return std::get<Stats>(service.handle_admin(StatsRequest{})); }

  boost::asio::io_context io{1};
  std::unique_ptr<SimBackend> sim = *open_sim();
  FakeMemory memory;
  FakeClock clock;
  Service service;
};

}  // namespace panbo::test
