#include "client/cli/human.h"

#include <gtest/gtest.h>

#include <limits>

namespace panbo::cli {
namespace {

TEST(HumanTest, WritesBytesInTheLargestUnitThatFits) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(64 << 20), "64.0 MiB");
  EXPECT_EQ(human_bytes(std::numeric_limits<uint64_t>::max()), "16.0 EiB");
}

TEST(HumanTest, NeverWrites1024OfAUnit) {
  EXPECT_EQ(human_bytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(1023 * 1024), "1023.0 KiB");
  EXPECT_EQ(human_bytes((uint64_t{1} << 60) - 1), "1.0 EiB");
}

TEST(HumanTest, GroupsTheDigitsOfCounts) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1000), "1,000");
  EXPECT_EQ(human_count(1234567), "1,234,567");
  EXPECT_EQ(human_count(std::numeric_limits<uint64_t>::max()), "18,446,744,073,709,551,615");
}

TEST(HumanTest, WritesShares) {
  EXPECT_EQ(human_share(1, 8), "12.5 %");
  EXPECT_EQ(human_share(8, 8), "100.0 %");
  EXPECT_EQ(human_share(0, 0), "-");
}

TEST(HumanTest, PrintsPlainTextAsItIs) {
  EXPECT_EQ(printable("glmark2-es2 (drm)"), "glmark2-es2 (drm)");
  EXPECT_EQ(printable("Würfel 骰子 🎲"), "Würfel 骰子 🎲");
}

TEST(HumanTest, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("a\nb\tc"), "a\\nb\\tc");
  EXPECT_EQ(printable("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(printable(std::string_view("\0\x7f", 2)), "\\x00\\x7f");
  // CSI as one character, and an override of the writing direction.
  EXPECT_EQ(printable("\u009b2J"), "\\u{9b}2J");
  EXPECT_EQ(printable("a\u202eb"), "a\\u{202e}b");
}

TEST(HumanTest, EscapesCannotBeForged) {
  EXPECT_EQ(printable("\\x1b"), "\\\\x1b");
}

TEST(HumanTest, ReplacesBytesThatAreNoUtf8) {
  EXPECT_EQ(printable("a\xff"
                      "b"),
            "a\ufffdb");
  EXPECT_EQ(printable("\xc3"), "\ufffd");
}

TEST(HumanTest, CutsWhatIsTooWide) {
  EXPECT_EQ(printable("abcd", 4), "abcd");
  EXPECT_EQ(printable("abcde", 4), "abc…");
  EXPECT_EQ(printable("äöüäö", 4), "äöü…");
  // An escape is whole or not there.
  EXPECT_EQ(printable("ab\x1b", 4), "ab…");
}

TEST(TableTest, AlignsNumbersToTheRightAndTextsToTheLeft) {
  Table table({Table::Column::kText, Table::Column::kNumber, Table::Column::kText}, {"what", "n", "name"});
  table.add({"a", "1,000", "x"});
  table.add({"longer", "1", "y"});
  EXPECT_EQ(table.text(),
            "what        n  name\n"
            "a       1,000  x\n"
            "longer      1  y\n");
}

}  // namespace
}  // namespace panbo::cli
