#include "client/interpose/fd_table.h"

#include <gtest/gtest.h>

#include "tests/unit/interpose/fake_kernel.h"
#include "tests/unit/interpose/fake_panbo.h"

namespace panbo::interpose {
namespace {

class FdTableTest : public testing::Test {
 protected:
  FdTableTest() {
    kernel_.fds = {
        {3, {Kernel::FileKind::kPanfrost, 1}}, {4, {Kernel::FileKind::kPanfrost, 1}},
        {5, {Kernel::FileKind::kPanfrost, 2}}, {6, {Kernel::FileKind::kOtherDrm, 3}},
        {7, {Kernel::FileKind::kNotDrm, 4}},   {70000, {Kernel::FileKind::kPanfrost, 1}},
    };
  }

  ~FdTableTest() override { table_.forget_range(0, ~0u); }

  FakePanbo panbo_;
  FakeKernel kernel_;
  FdTable table_{kernel_};
};

TEST_F(FdTableTest, FdsOfOneOpenFileAreOne) {
  const auto file = table_.find(3);
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(table_.find(4), file);
  EXPECT_EQ(table_.find(70000), file) << "numbers without a limit";
  EXPECT_NE(table_.find(5), file);
}

TEST_F(FdTableTest, AnFdIsLookedAtOnce) {
  for (const int fd : {3, 6}) {
    kernel_.looks = 0;
    static_cast<void>(table_.find(fd));
    static_cast<void>(table_.find(fd));
    EXPECT_EQ(kernel_.looks, 1) << fd;
  }
}

TEST_F(FdTableTest, WhatIsNotPanfrostIsNotServed) {
  EXPECT_EQ(table_.find(6), nullptr);
  EXPECT_EQ(table_.find(7), nullptr);
  EXPECT_EQ(table_.find(-1), nullptr);
  EXPECT_TRUE(kernel_.copies.empty());
}

TEST_F(FdTableTest, OurOwnFdIsTheKernels) {
  const auto file = table_.find(3);
  kernel_.looks = 0;
  EXPECT_EQ(table_.find(file->fd()), nullptr);
  EXPECT_EQ(kernel_.looks, 0);
}

TEST_F(FdTableTest, TheLastFdEndsTheFile) {
  table_.find(3)->client();
  EXPECT_NE(table_.find(4), nullptr);
  table_.forget(3);
  EXPECT_EQ(panbo_.closed_clients, 0);
  table_.forget(4);
  EXPECT_EQ(panbo_.closed_clients, 1);
  EXPECT_EQ(kernel_.closed, kernel_.copies);
}

TEST_F(FdTableTest, AFileEndsAfterTheCallThatUsesIt) {
  auto in_use = table_.find(3);
  in_use->client();
  table_.forget(3);
  EXPECT_EQ(panbo_.closed_clients, 0);
  in_use.reset();
  EXPECT_EQ(panbo_.closed_clients, 1);
}

TEST_F(FdTableTest, ANumberThatIsUsedAgainIsLookedAtAgain) {
  static_cast<void>(table_.find(3));
  table_.forget(3);
  kernel_.fds[3] = {Kernel::FileKind::kNotDrm, 9};
  EXPECT_EQ(table_.find(3), nullptr);
  EXPECT_EQ(table_.find(6), nullptr);
  table_.forget(6);
  kernel_.fds[6] = {Kernel::FileKind::kPanfrost, 2};
  EXPECT_NE(table_.find(6), nullptr);
}

TEST_F(FdTableTest, ARangeOfFdsCanGo) {
  const auto first = table_.find(3);
  static_cast<void>(table_.find(5));
  static_cast<void>(table_.find(70000));
  table_.forget_range(4, ~0u);
  kernel_.looks = 0;
  EXPECT_EQ(table_.find(3), first);
  EXPECT_EQ(kernel_.looks, 0);
  EXPECT_EQ(table_.find(70000), first);
  EXPECT_EQ(kernel_.looks, 1);
}

TEST_F(FdTableTest, WhatAChildInOurMemoryClosesStaysOpenHere) {
  const auto file = table_.find(3);
  kernel_.process = 2;
  table_.forget(3);
  kernel_.process = 1;
  kernel_.looks = 0;
  EXPECT_EQ(table_.find(3), file);
  EXPECT_EQ(kernel_.looks, 0);
}

TEST_F(FdTableTest, AForkedChildStartsAnew) {
  auto file = table_.find(3);
  file->client();
  table_.before_fork();
  kernel_.process = 2;
  table_.after_fork_in_child();
  EXPECT_EQ(panbo_.closed_clients, 1);
  EXPECT_EQ(kernel_.closed, kernel_.copies);
  const auto in_child = table_.find(3);
  ASSERT_NE(in_child, nullptr);
  EXPECT_NE(in_child, file);
  in_child->client();
  table_.forget(3);
  EXPECT_EQ(table_.counts().fresh, 0) << "those were its parent's";
}

TEST_F(FdTableTest, TheParentOfAForkGoesOn) {
  const auto file = table_.find(3);
  table_.before_fork();
  table_.after_fork_in_parent();
  EXPECT_EQ(table_.find(3), file);
  EXPECT_EQ(panbo_.closed_clients, 0);
}

TEST_F(FdTableTest, WhereFilesCannotBeComparedNothingIsServed) {
  kernel_.compare_error = Errno{EPERM};
  testing::internal::CaptureStderr();
  EXPECT_EQ(table_.find(3), nullptr);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("kcmp"), std::string::npos);
}

TEST_F(FdTableTest, WhatFilesThatEndedHadStillCounts) {
  for (const int fd : {3, 5}) {
    OpenFile& file = *table_.find(fd);
    file.client();
    file.count_passed_on();
  }
  table_.forget(3);
  EXPECT_EQ(table_.counts().passed_on, 2);
}

}  // namespace
}  // namespace panbo::interpose
