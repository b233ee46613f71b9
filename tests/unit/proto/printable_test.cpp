#include "proto/printable.h"

#include <gtest/gtest.h>

namespace panbo {
namespace {

TEST(Printable, WhatOnlyAppearsStaysAsItIs) {
  for (const std::string text : {"glmark2-es2 (drm)", "W\u00fcrfel \u9ab0\u5b50 \U0001f3b2", "", " ~\u00a0", "\"x\""}) {
    EXPECT_EQ(harmless(text), text);
    EXPECT_EQ(in_quotes(text), "'" + text + "'");
  }
}

TEST(Printable, EveryCharacterThatTurnsTheDirectionOfWritingIsReplaced) {
  for (const std::string c : {"\u061c", "\u200e", "\u200f", "\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066",
                              "\u2067", "\u2068", "\u2069", "\u2028", "\u2029"}) {
    EXPECT_EQ(harmless("a" + c + "b"), "a?b");
    EXPECT_EQ(in_quotes("a" + c).find("'a\\u{"), 0u) << in_quotes("a" + c);
  }
  EXPECT_EQ(in_quotes("\u202e"), "'\\u{202e}'");
  EXPECT_EQ(harmless("\u200d\u2027\u202f\u2065\u206a"), "\u200d\u2027\u202f\u2065\u206a") << "their neighbours";
}

TEST(Printable, ControlCharactersAreReplaced) {
  EXPECT_EQ(harmless(std::string("\0\n\x1b\x7f\u0080\u009f", 8)), "??????");
  EXPECT_EQ(in_quotes(std::string("\0\n\t\x1b\x7f\u009b", 7)), "'\\x00\\n\\t\\x1b\\x7f\\u{9b}'");
}

TEST(Printable, AQuotedTextEndsWhereItEnds) {
  EXPECT_EQ(in_quotes("x' (uid 0, pid 1) is fine"), "'x\\' (uid 0, pid 1) is fine'");
  EXPECT_EQ(in_quotes("\\"), "'\\\\'");
  EXPECT_EQ(in_quotes("\\'"), "'\\\\\\''");
}

TEST(Printable, BytesThatAreNoUtf8AreReplaced) {
  EXPECT_EQ(harmless("a\xff\xc3"), "a??");
  EXPECT_EQ(in_quotes("a\xff"), "'a\ufffd'");
}

}  // namespace
}  // namespace panbo
