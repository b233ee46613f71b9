#include "daemon/transport/fd_reserve.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <vector>

#include "proto/unique_fd.h"

namespace panbo::test {
namespace {

TEST(FdReserve, IsAQuarterButNoMoreThanItTakes) {
  EXPECT_EQ(fd_reserve(0), 0u);
  EXPECT_EQ(fd_reserve(40), 10u);
  EXPECT_EQ(fd_reserve(1024), 256u);
  EXPECT_EQ(fd_reserve(1 << 20), 256u);
}

TEST(FdReserve, BeginsWhereAsManyFdsAreFree) {
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_FALSE(only_reserved_fds_are_left(file.get()));

  const rlimit low{.rlim_cur = 100, .rlim_max = old.rlim_max};
  ASSERT_LT(file.get(), 60) << "this test needs an fd table that is not full";
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  std::vector<UniqueFd> fds;
  while (!only_reserved_fds_are_left(file.get())) fds.emplace_back(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
  size_t free = 0;
  while (fds.emplace_back(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0)).valid()) ++free;
  EXPECT_EQ(free, 25u);
  EXPECT_TRUE(only_reserved_fds_are_left(file.get()));
  fds.clear();
  EXPECT_FALSE(only_reserved_fds_are_left(file.get()));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
}

}  // namespace
}  // namespace panbo::test
