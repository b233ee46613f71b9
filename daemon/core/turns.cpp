// Deficit round robin with a list of new users before the list of old ones, which is the scheme of Linux's fq_codel.
//
//                      has work                 quantum spent, or no work left
//    (not remembered) ──────────► new list ───────────────────────────────────► old list ──┐ quantum spent:
//           ▲                    (served first)                                     ▲      │ to its end, with a new
//           └───────────────── its turn comes, no work and no debt ─────────────────┴──────┘ quantum
//
// A user who had no work comes first, once: whoever asks for something small now and then does not wait for those who
// always ask. A user whose work is done is remembered until the turn comes to it again. So going away and coming back
// brings no second turn before the others have had theirs, and wipes out no debt: who is in debt gets a quantum each
// time that the turn comes to it, and is served when the debt is paid.
//
// Each step costs the same however many users and works there are. The exception is a user with a debt of many quanta,
// at whose turns there is nothing to do but to count; a constant bounds how many of those one call goes through.

#include "daemon/core/turns.h"

#include <algorithm>
#include <cassert>

namespace panbo {
namespace {

constexpr int kMostPassedOver = 16;

}  // namespace

Turns::Work::~Work() {
  if (turns_ != nullptr) turns_->remove(*this);
}

Turns::~Turns() {
  for (auto& [id, user] : users_) {
    while (Work* work = user.works.front()) unlink(*work);
  }
}

void Turns::add(UserId payer, Work& work) {
  if (work.hook_.linked()) return;
  assert(work.turns_ == nullptr || work.turns_ == this);
  const auto [found, added] = users_.try_emplace(payer);
  User& user = found->second;
  if (added) {
    user.id = payer;
    user.credit = quantum_;
    user.is_new = true;
    new_.push_back(user);
  }
  work.turns_ = this;
  work.payer_ = &user;
  user.works.push_back(work);
  ++works_;
}

void Turns::remove(Work& work) {
  if (work.hook_.linked()) unlink(work);
  if (running_ != &work) return;
  running_ = nullptr;
  work.turns_ = nullptr;
}

void Turns::unlink(Work& work) {
  work.payer_->works.remove(work);
  work.payer_ = nullptr;
  if (running_ != &work) work.turns_ = nullptr;
  --works_;
}

void Turns::to_the_end(User& user) {
  list_of(user).remove(user);
  user.is_new = false;
  old_.push_back(user);
}

void Turns::forget(User& user) {
  list_of(user).remove(user);
  users_.erase(user.id);
}

void Turns::run_turn(Time now) {
  if (idle()) return;
  for (int passed_over = 0; passed_over < kMostPassedOver; ++passed_over) {
    User& user = *(new_.empty() ? old_ : new_).front();
    if (user.credit <= 0) {
      user.credit += quantum_;
      to_the_end(user);
    } else if (user.works.empty()) {
      forget(user);
    } else {
      serve(user, now);
      return;
    }
  }
}

void Turns::serve(User& user, Time now) {
  while (user.credit > 0) {
    Work* const work = user.works.front();
    if (work == nullptr) break;
    running_ = work;
    unlink(*work);
    const Work::Piece piece = work->do_piece(now);
    user.credit -= std::max<Price>(piece.price, 1);
    if (running_ == nullptr) continue;
    running_ = nullptr;
    if (work->hook_.linked()) continue;
    work->turns_ = nullptr;
    if (piece.more) add(user.id, *work);
  }
  if (user.credit <= 0) {
    user.credit += quantum_;
    to_the_end(user);
  } else if (user.works.empty() && old_.empty()) {
    // Nobody else is there who could have been served before it.
    forget(user);
  } else if (user.works.empty()) {
    to_the_end(user);
  }
}

}  // namespace panbo
