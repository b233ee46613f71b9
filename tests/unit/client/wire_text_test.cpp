#include "client/lib/wire_text.h"

#include <gtest/gtest.h>

#include <string>

namespace panbo {
namespace {

std::string sent(std::string_view text) {
  return std::string(WireText(text).view());
}

TEST(WireTextTest, KeepsUtf8) {
  EXPECT_EQ(sent(""), "");
  EXPECT_EQ(sent("Würfel 骰子 🎲"), "Würfel 骰子 🎲");
}

TEST(WireTextTest, ReplacesEachByteThatIsNoUtf8) {
  EXPECT_EQ(sent("a\xff"
                 "b\xc3"),
            "a?b?");
  // An overlong form, and half of a surrogate pair.
  EXPECT_EQ(sent("\xc0\xaf"), "??");
  EXPECT_EQ(sent("\xed\xa0\x80"), "???");
}

TEST(WireTextTest, CutsLongTexts) {
  EXPECT_EQ(sent(std::string(64, 'x')), std::string(64, 'x'));
  EXPECT_EQ(sent(std::string(65, 'x')), std::string(64, 'x'));
}

TEST(WireTextTest, CutsBetweenCharacters) {
  EXPECT_EQ(sent(std::string(63, 'x') + "ü"), std::string(63, 'x'));
  EXPECT_EQ(sent(std::string(61, 'x') + "🎲"), std::string(61, 'x'));
  EXPECT_EQ(sent(std::string(60, 'x') + "🎲"), std::string(60, 'x') + "🎲");
}

TEST(WireTextTest, CutsLongGarbage) {
  EXPECT_EQ(sent(std::string(100, '\x80')), std::string(61, '?'));
}

}  // namespace
}  // namespace panbo
