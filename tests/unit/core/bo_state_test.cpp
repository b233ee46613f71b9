#include "daemon/core/bo_state.h"

#include <gtest/gtest.h>

namespace panbo {
namespace {

TEST(BoState, WalksTheWholeLife) {
  BoState state = BoState::kCreating;
  for (BoState next :
       {BoState::kLeased, BoState::kDraining, BoState::kHeld, BoState::kReady, BoState::kLeased, BoState::kRetired}) {
    move_to(state, next);
    EXPECT_EQ(state, next);
  }
}

TEST(BoState, NothingComesBackFromRetired) {
  for (int to = 0; to < kBoStateCount; ++to) {
    EXPECT_FALSE(is_legal_move(BoState::kRetired, static_cast<BoState>(to)));
  }
}

TEST(BoState, ABusyOrHeldBoIsNeverLent) {
  EXPECT_FALSE(is_legal_move(BoState::kDraining, BoState::kLeased));
  EXPECT_FALSE(is_legal_move(BoState::kHeld, BoState::kLeased));
  EXPECT_FALSE(is_legal_move(BoState::kLeased, BoState::kLeased));
}

TEST(BoState, WhatTheKernelHasMadeIsLentBeforeItIsCached) {
  for (int from = 0; from < kBoStateCount; ++from) {
    const auto state = static_cast<BoState>(from);
    const bool was_lent = state == BoState::kLeased || state == BoState::kDraining || state == BoState::kHeld;
    EXPECT_EQ(is_legal_move(state, BoState::kReady), was_lent) << to_string(state);
  }
}

TEST(BoState, WhatWasLentNeverComesToTheStock) {
  for (int from = 0; from < kBoStateCount; ++from) {
    EXPECT_EQ(is_legal_move(static_cast<BoState>(from), BoState::kStocked), from == 0);
  }
}

TEST(BoStateDeathTest, AnIllegalMoveEndsTheProcessAndNamesBothStates) {
  BoState state = BoState::kHeld;
  EXPECT_DEATH(move_to(state, BoState::kLeased), "from Held to Leased");
}

}  // namespace
}  // namespace panbo
