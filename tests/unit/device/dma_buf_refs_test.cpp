#include "daemon/device/dma_buf_refs.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <string>

namespace panbo {
namespace {

const std::string kBeforeCount = "pos:\t0\nflags:\t02000002\nmnt_id:\t14\nino:\t57\nsize:\t4096\n";

TEST(DmaBufRefsTest, ReadsTheCount) {
  const auto count = parse_dma_buf_count(kBeforeCount + "count:\t3\nexp_name:\tpanfrost\n");
  ASSERT_TRUE(count);
  EXPECT_EQ(*count, 3u);
}

TEST(DmaBufRefsTest, IsNotDeceivedByAName) {
  const auto count = parse_dma_buf_count(kBeforeCount + "count:\t4\nexp_name:\tpanfrost\nname:\tx\ncount:\t3\n");
  ASSERT_TRUE(count);
  EXPECT_EQ(*count, 4u);
}

TEST(DmaBufRefsTest, SaysWhenThereIsNoCount) {
  for (const std::string& text :
       {std::string(), kBeforeCount, kBeforeCount + "count:\t\n", kBeforeCount + "count:\t"}) {
    const auto count = parse_dma_buf_count(text);
    ASSERT_FALSE(count) << text;
    EXPECT_EQ(count.error(), Errno{ENOTSUP});
  }
}

TEST(DmaBufRefsTest, SaysWhenAnFdIsNoDmaBuf) {
  const auto refs = DmaBufRefs::open();
  ASSERT_TRUE(refs);
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto count = refs->count(file.get());
  ASSERT_FALSE(count);
  EXPECT_EQ(count.error(), Errno{ENOTSUP});
}

TEST(DmaBufRefsTest, SaysWhenAnFdIsNotOpen) {
  const auto refs = DmaBufRefs::open();
  ASSERT_TRUE(refs);
  const auto count = refs->count(1'000'000);
  ASSERT_FALSE(count);
  EXPECT_EQ(count.error(), Errno{ENOENT});
}

}  // namespace
}  // namespace panbo
