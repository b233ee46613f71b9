// The requests for BOs that are under way. What happens to one of them, from phase to phase, is in open_request.h.
//
// Where clients keep enough unused leases, those are asked back, and the request waits for them for a short grace even
// if its caller does not wait: the memory is there, it has only to be fetched.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "daemon/core/allocator.h"
#include "daemon/core/bo_pool.h"
#include "daemon/core/board_room.h"
#include "daemon/core/clock.h"
#include "daemon/core/ids.h"
#include "daemon/core/turns.h"
#include "daemon/service/local_cache.h"
#include "daemon/service/open_request.h"
#include "daemon/service/waiting_requests.h"

namespace panbo {

/// Hears how requests end. Must not call back.
class AllocListener {
 public:
  virtual ~AllocListener() = default;
  /// The loans are leased, in the order of the demands. Returns the price of what it did.
  virtual Price granted(const Asker& asker, const std::vector<Demand>& demands, const std::vector<Loan>& loans,
                        bool waited) = 0;
  /// `error`: ETIMEDOUT the deadline came; EDQUOT a quota; ENOMEM; or what else the device said.
  virtual void failed(const Asker& asker, const std::vector<Demand>& demands, Errno error) = 0;
};

class AllocRequests : private Reconsider {
 public:
  /// Longest time that a request waits, whatever its caller says.
  static constexpr Duration kLongestWait = std::chrono::seconds(60);

  /// All must outlive this.
  AllocRequests(Allocator& allocator, BoPool& pool, BoardRoom& room, LocalCache& local, Turns& turns,
                AllocListener& listener);
  ~AllocRequests() override;

  /// All demands have the same account. `timeout` zero or less: do not wait. What does not end within one piece goes on
  /// in the user's turns. Returns the price.
  Price start(const Asker& asker, std::vector<Demand> demands, Duration timeout, Time now);

  /// Whether a request of the client is being served right now, in turns: it neither waits nor is it the worker's.
  [[nodiscard]] bool is_busy(ClientId client) const;

  /// The client is gone: its requests end without an answer. Returns how many BOs they had asked for.
  uint64_t cancel_client(ClientId client);

  /// The device worker's answer.
  void on_created(BoId id, const Result<DeviceBo>& result, Time now);

  /// Wakes those whom new supplies of the pool may help.
  void wake(Time now);

  /// Whether a request of this user waits.
  [[nodiscard]] bool waits(UserId user) const { return waiting_.waits(user); }

  /// When tick() wants to be called; nothing is due before.
  [[nodiscard]] std::optional<Time> next_deadline() const;
  /// Ends some of the requests whose end has come. Returns the price.
  Price tick(Time now);

 private:
  friend struct OpenRequest;
  using Phase = OpenRequest::Phase;

  Turns::Work::Piece do_piece(OpenRequest& request, Time now);
  [[nodiscard]] bool do_step(OpenRequest& request, Price& price, Time now);
  void grant(OpenRequest& request, Price& price);
  void admit(OpenRequest& request, Price& price);
  void lend(OpenRequest& request, Price& price, Time now);
  void lend_missing(OpenRequest& request, Price& price, Time now);
  void make_room(OpenRequest& request, Price& price, Time now);
  void create(OpenRequest& request, Price& price, Time now);
  void evict_all(OpenRequest& request, Price& price, Time now);
  void give_back(OpenRequest& request, Price& price, Time now);
  void look_at_held(OpenRequest& request, Price& price, Time now);
  void creation_failed(OpenRequest& request, Errno error, Time now);
  static void refuse(OpenRequest& request, Errno error);
  [[nodiscard]] static bool take_place(OpenRequest& request);
  void wait_or_fail(OpenRequest& request, Time now);
  [[nodiscard]] bool may_wait(OpenRequest& request, Time now);
  [[nodiscard]] AskBack ask_back(OpenRequest& request, Time now);
  void wake_for_memory(Time now);
  [[nodiscard]] bool may_be_served(const OpenRequest& request, Time now);
  void reconsider(OpenRequest& request, Time now) override;
  void fail(OpenRequest& request, Errno error);
  std::unique_ptr<OpenRequest> forget(OpenRequest& request);

  Allocator& allocator_;
  BoPool& pool_;
  BoardRoom& room_;
  LocalCache& local_;
  Turns& turns_;
  AllocListener& listener_;
  /// Every request, in order of arrival, until it has ended.
  std::unordered_map<ClientId, std::map<uint64_t, std::unique_ptr<OpenRequest>>> requests_;
  /// The BOs that the worker makes, and for which request; nullptr: nobody wants it any more.
  std::unordered_map<BoId, OpenRequest*> creating_;
  WaitingRequests waiting_;
  uint64_t arrivals_ = 0;
  /// BoPool::supplies() when somebody was last woken.
  uint64_t supplies_seen_ = 0;
  uint64_t scans_seen_ = 0;
  /// When those who wait for memory are woken next, since other programs may have given some back.
  std::optional<Time> look_again_at_;
};

}  // namespace panbo
