#include "daemon/core/turns.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace panbo {
namespace {

constexpr UserId kAnn{1};
constexpr UserId kBen{2};
constexpr UserId kCleo{3};

/// So many pieces, each at one price, written down as they are done.
class Job : public Turns::Work {
 public:
  Job(std::string name, int pieces, Price price, std::string& done)
      : name_(std::move(name)), pieces_(pieces), price_(price), done_(done) {}

  Piece do_piece(Time) override {
    done_ += name_;
    --pieces_;
    if (meanwhile) meanwhile();
    return {.price = price_, .more = pieces_ > 0};
  }

  std::function<void()> meanwhile;

 private:
  const std::string name_;
  int pieces_;
  const Price price_;
  std::string& done_;
};

class TurnsTest : public ::testing::Test {
 protected:
  void turn(int times = 1) {
    for (int i = 0; i < times; ++i) turns_.run_turn(Time{});
  }
  void turn_until_idle() {
    for (int i = 0; i < 10000 && !turns_.idle(); ++i) turn();
  }
  [[nodiscard]] size_t done_by(char name) const {
    return static_cast<size_t>(std::count(done_.begin(), done_.end(), name));
  }

  std::string done_;
  /// A turn costs 100.
  Turns turns_{100};
};

TEST_F(TurnsTest, IsIdleWithoutWorkAndWhenItIsDone) {
  EXPECT_TRUE(turns_.idle());
  Job job("a", 1, 10, done_);
  turns_.add(kAnn, job);
  EXPECT_FALSE(turns_.idle());
  turn();
  EXPECT_EQ(done_, "a");
  EXPECT_TRUE(turns_.idle());
}

TEST_F(TurnsTest, ATurnEndsWhenItsPiecesHaveCostTheQuantum) {
  Job job("a", 1000, 10, done_);
  turns_.add(kAnn, job);
  turn();
  EXPECT_EQ(done_, "aaaaaaaaaa");
}

TEST_F(TurnsTest, APieceThatSaysItCostNothingCostsSomething) {
  Job job("a", 1000, 0, done_);
  turns_.add(kAnn, job);
  turn();
  EXPECT_EQ(done_.size(), 100u);
}

TEST_F(TurnsTest, AUsersShareDoesNotDependOnHowManyWorksItHas) {
  std::vector<std::unique_ptr<Job>> many;
  for (int i = 0; i < 250; ++i) {
    many.push_back(std::make_unique<Job>("m", 1000, 10, done_));
    turns_.add(kAnn, *many.back());
  }
  Job one("o", 1000, 10, done_);
  turns_.add(kBen, one);
  turn(20);
  EXPECT_EQ(done_by('m'), 100u);
  EXPECT_EQ(done_by('o'), 100u);
}

TEST_F(TurnsTest, TheWorksOfOneUserTakeTurns) {
  Job a("a", 3, 10, done_);
  Job b("b", 3, 10, done_);
  turns_.add(kAnn, a);
  turns_.add(kAnn, b);
  turn();
  EXPECT_EQ(done_, "ababab");
}

TEST_F(TurnsTest, ADearPieceIsPaidForInTheTurnsThatFollow) {
  Job dear("d", 1000, 500, done_);
  Job cheap("c", 1000, 100, done_);
  turns_.add(kAnn, dear);
  turns_.add(kBen, cheap);
  turn(100);
  EXPECT_NEAR(static_cast<double>(done_by('c')), 5.0 * static_cast<double>(done_by('d')), 5);
}

TEST_F(TurnsTest, WhoHadNoWorkComesBeforeThoseWhoHad) {
  Job a("a", 1000, 100, done_);
  Job b("b", 1000, 100, done_);
  turns_.add(kAnn, a);
  turns_.add(kBen, b);
  turn(4);
  Job rare("r", 1, 10, done_);
  turns_.add(kCleo, rare);
  done_.clear();
  turn();
  EXPECT_EQ(done_, "r");
}

TEST_F(TurnsTest, LeavingAndComingBackBringsNoMoreThanStaying) {
  Job stays("s", 100000, 10, done_);
  turns_.add(kBen, stays);
  turn(2);
  std::string all;
  for (int i = 0; i < 100; ++i) {
    done_.clear();
    Job comes("c", 1, 10, done_);
    turns_.add(kAnn, comes);
    while (!done_by('c')) turn();
    all += done_;
  }
  done_ = all;
  // One piece, then it is the other's turn.
  EXPECT_GE(done_by('s'), 10 * (done_by('c') - 1));
}

TEST_F(TurnsTest, LeavingDoesNotWipeOutADebt) {
  Job stays("s", 100000, 100, done_);
  turns_.add(kBen, stays);
  turn(2);
  for (int i = 0; i < 20; ++i) {
    Job dear("d", 1, 1000, done_);
    turns_.add(kAnn, dear);
    const size_t before = done_by('d');
    while (done_by('d') == before) turn();
  }
  EXPECT_GE(done_by('s'), 10u * 19u);
}

TEST_F(TurnsTest, WhoHasNoWorkAndNoDebtIsForgotten) {
  for (uint32_t uid = 0; uid < 1000; ++uid) {
    Job job("x", 1, 150, done_);
    turns_.add(UserId{uid}, job);
    turn();
  }
  Job job("a", 1000, 100, done_);
  turns_.add(kAnn, job);
  turn(1000);
  // Some turns went by with forgetting them, several at a time.
  EXPECT_GE(done_by('a'), 900u);
  EXPECT_EQ(turns_.users(), 1u);
}

TEST_F(TurnsTest, WorkThatIsQueuedIsNotQueuedTwice) {
  Job job("a", 2, 10, done_);
  turns_.add(kAnn, job);
  turns_.add(kAnn, job);
  turns_.add(kBen, job);
  turn_until_idle();
  EXPECT_EQ(done_, "aa");
}

TEST_F(TurnsTest, WorkThatIsRemovedIsNotDone) {
  Job job("a", 2, 10, done_);
  turns_.add(kAnn, job);
  turns_.remove(job);
  turns_.remove(job);
  EXPECT_TRUE(turns_.idle());
  turn();
  EXPECT_EQ(done_, "");
}

TEST_F(TurnsTest, WorkThatDiesLeavesTheQueue) {
  {
    Job job("a", 2, 10, done_);
    turns_.add(kAnn, job);
  }
  EXPECT_TRUE(turns_.idle());
  turn();
  EXPECT_EQ(done_, "");
}

TEST_F(TurnsTest, WorkMayOutliveTheTurns) {
  Job job("a", 2, 10, done_);
  {
    Turns turns;
    turns.add(kAnn, job);
  }
  turns_.add(kAnn, job);
  turn_until_idle();
  EXPECT_EQ(done_, "aa");
}

TEST_F(TurnsTest, APieceMayAddItsOwnWorkForAnotherPayer) {
  Job job("a", 2, 10, done_);
  job.meanwhile = [&] { turns_.add(kBen, job); };
  turns_.add(kAnn, job);
  turn();
  EXPECT_EQ(done_, "a");
  job.meanwhile = nullptr;
  turn_until_idle();
  EXPECT_EQ(done_, "aa");
}

TEST_F(TurnsTest, APieceMayRemoveItsOwnWork) {
  Job job("a", 5, 10, done_);
  job.meanwhile = [&] { turns_.remove(job); };
  turns_.add(kAnn, job);
  turn_until_idle();
  EXPECT_EQ(done_, "a");
}

TEST_F(TurnsTest, APieceMayRemoveItsOwnWorkAndAddItAgain) {
  Job job("a", 2, 10, done_);
  job.meanwhile = [&] {
    turns_.remove(job);
    turns_.add(kAnn, job);
    job.meanwhile = nullptr;
  };
  turns_.add(kAnn, job);
  turn_until_idle();
  EXPECT_EQ(done_, "aa");
}

/// Destroys itself, and another work, when it is done.
class SelfDestroyer : public Turns::Work {
 public:
  explicit SelfDestroyer(std::unique_ptr<Work>& self, std::unique_ptr<Work>& other) : self_(self), other_(other) {}
  Piece do_piece(Time) override {
    other_.reset();
    self_.reset();
    return {.price = 10, .more = true};
  }

 private:
  std::unique_ptr<Work>& self_;
  std::unique_ptr<Work>& other_;
};

TEST_F(TurnsTest, APieceMayDestroyItsOwnWorkAndOthers) {
  std::unique_ptr<Turns::Work> self;
  std::unique_ptr<Turns::Work> other = std::make_unique<Job>("o", 2, 10, done_);
  self = std::make_unique<SelfDestroyer>(self, other);
  Job last("l", 1, 10, done_);
  turns_.add(kAnn, *self);
  turns_.add(kAnn, *other);
  turns_.add(kAnn, last);
  turn_until_idle();
  EXPECT_EQ(done_, "l");
}

TEST_F(TurnsTest, NobodyWaitsForMoreThanOneTurnOfEachOther) {
  constexpr int kUsers = 30;
  std::vector<std::unique_ptr<Job>> jobs;
  for (int i = 0; i < kUsers; ++i) {
    jobs.push_back(std::make_unique<Job>("x", 100000, 33, done_));
    turns_.add(UserId{static_cast<uint32_t>(100 + i)}, *jobs.back());
  }
  Job one("o", 10, 100, done_);
  turns_.add(kAnn, one);
  turn((kUsers + 1) * 10);
  EXPECT_EQ(done_by('o'), 10u);
}

}  // namespace
}  // namespace panbo
