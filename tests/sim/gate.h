// The way into the service: every call of it goes through here and is measured. What one call may cost is a constant,
// whoever has however much (kMostWork).
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "daemon/service/service.h"
#include "tests/sim/board.h"
#include "tests/sim/sim_worker.h"
#include "tests/sim/table_memory.h"

namespace panbo::sim {

/// What one call cost.
struct Work {
  /// Of the device.
  uint64_t device_calls = 0;
  /// At the board's memory.
  uint64_t looks = 0;
  /// BOs that were handed to the worker.
  uint64_t jobs = 0;
  /// Of BOs that were made or destroyed during the call: the kernel goes through every page of them.
  uint64_t bytes_moved = 0;
  /// Pages of lease tables that were read or written. Only counted where the world has guarded tables.
  uint64_t table_pages = 0;
};

/// The most that one call may cost. It is enough for the largest packet, and does not depend on what anybody has.
inline constexpr Work kMostWork{
    .device_calls = 400, .looks = 64, .jobs = 250, .bytes_moved = uint64_t{8} << 20, .table_pages = 80};

class Gate {
 public:
  /// All must outlive the gate.
  Gate(FakeDevice& device, SimWorker& worker, Board& board, TableMemory& tables, const Clock& clock,
       const ServiceOptions& options)
      : device_(device),
        worker_(worker),
        board_(board),
        tables_(tables),
        clock_(clock),
        service_(device, &worker, board, clock, options) {}

  ClientId connect(const Peer& peer, ClientPort& port) {
    const Measure measure(*this, "a connection");
    return service_.connect(peer, port);
  }
  void disconnect(ClientId client) {
    const Measure measure(*this, "a disconnection");
    service_.disconnect(client);
  }
  Price handle(ClientId client, RequestId request, ClientRequest message) {
    const Measure measure(*this, "a message");
    return service_.handle(client, request, std::move(message));
  }
  [[nodiscard]] bool has_backlog(ClientId client) const { return service_.has_backlog(client); }
  Turns::Work::Piece work_off(ClientId client) {
    const Measure measure(*this, "a piece of a message");
    return service_.work_off(client);
  }
  AdminReply handle_admin(const AdminRequest& message) {
    const Measure measure(*this, "an administrator's message");
    return service_.handle_admin(message);
  }
  void on_idle(BoId bo) {
    const Measure measure(*this, "the end of a job");
    service_.on_idle(bo);
  }
  void on_created(BoId bo, const Result<DeviceBo>& result) {
    const Measure measure(*this, "an answer of the worker");
    service_.on_created(bo, result);
  }
  void on_destroyed(uint64_t bytes) {
    const Measure measure(*this, "the end of a destruction");
    service_.on_destroyed(bytes);
  }
  void on_pressure(Pressure pressure) {
    const Measure measure(*this, "a pressure event");
    service_.on_pressure(pressure);
  }
  void tick() {
    const Measure measure(*this, "a tick");
    service_.tick();
  }

  /// One user's turn.
  void run_turn() {
    const Measure measure(*this, "a turn");
    service_.run_turn();
  }

  // For the rules: not measured.
  [[nodiscard]] Time now() const { return clock_.now(); }
  [[nodiscard]] bool idle() const { return const_cast<Service&>(service_).turns().idle(); }
  /// Where messages wait for their turns.
  [[nodiscard]] Turns& turns() { return service_.turns(); }
  [[nodiscard]] Stats stats() { return std::get<Stats>(service_.handle_admin(StatsRequest{})); }
  [[nodiscard]] std::optional<Time> next_deadline() const { return service_.next_deadline(); }
  [[nodiscard]] std::shared_ptr<Account> account(ClientId client) const { return service_.account(client); }

  /// The first call that cost more than a call may, in words.
  [[nodiscard]] const std::optional<std::string>& excess() const { return excess_; }

 private:
  /// While it lives a call is measured. A call within a call is part of it.
  class Measure {
   public:
    Measure(Gate& gate, const char* what);
    ~Measure();
    Measure(const Measure&) = delete;
    Measure& operator=(const Measure&) = delete;

   private:
    Gate& gate_;
    const char* const what_;
    Work before_;
  };
  [[nodiscard]] Work so_far() const;

  FakeDevice& device_;
  SimWorker& worker_;
  Board& board_;
  TableMemory& tables_;
  const Clock& clock_;
  Service service_;
  std::optional<std::string> excess_;
  int depth_ = 0;
};

}  // namespace panbo::sim
