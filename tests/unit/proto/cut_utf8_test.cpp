#include "proto/cut_utf8.h"

#include <gtest/gtest.h>

namespace panbo {
namespace {

TEST(CutUtf8, WhatFitsStays) {
  EXPECT_EQ(cut_utf8("", 0), "");
  EXPECT_EQ(cut_utf8("ü", 2), "ü");
  EXPECT_EQ(cut_utf8("label", 31), "label");
}

TEST(CutUtf8, CutsBetweenCharacters) {
  EXPECT_EQ(cut_utf8("label", 3), "lab");
  EXPECT_EQ(cut_utf8("aü", 2), "a");
  EXPECT_EQ(cut_utf8("a\U0001f5bcb", 4), "a");
  EXPECT_EQ(cut_utf8("a\U0001f5bcb", 5), "a\U0001f5bc");
  EXPECT_EQ(cut_utf8("ü", 1), "");
}

TEST(CutUtf8, WhatIsNoUtf8IsCutSomewhere) {
  EXPECT_EQ(cut_utf8("\x80\x80\x80\x80\x80\x80\x80\x80", 6).size(), 3u);
}

}  // namespace
}  // namespace panbo
