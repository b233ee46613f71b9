#include "tests/replay/mesa_log.h"

#include <gtest/gtest.h>

#include <sstream>

#include "daemon/service/alloc_flags.h"
#include "tests/replay/trace_output.h"
#include "tests/unit/replay/temporary_file.h"

namespace panbo::replay {
namespace {

using std::chrono::nanoseconds;

Trace read_log(const std::string& text) {
  std::istringstream log(text);
  return read_mesa_log(log, "a log");
}

std::string why_unreadable(const std::string& text) {
  try {
    (void)read_log(text);
  } catch (const TraceError& error) {
    return error.what();
  }
  return "readable";
}

TEST(MesaLogTest, NumbersTheBosOfAllProcessesInOneOrder) {
  const Trace trace = read_log(
      "100 7 arrive painter\n"
      "120 9 arrive two words\n"
      "130 9 alloc 1 4096 1\n"
      "150 7 alloc 1 8192 1\n"
      "160 9 release 1 0\n"
      "170 7 release 1 1\n"
      "180 7 depart\n");
  ASSERT_EQ(trace.events.size(), 7u);
  EXPECT_EQ(trace.events[0].at, nanoseconds(0));
  EXPECT_EQ(std::get<Arrive>(trace.events[1].what).name, "two words");
  EXPECT_EQ(std::get<Alloc>(trace.events[2].what).bo, 1u);
  EXPECT_EQ(std::get<Alloc>(trace.events[3].what).bo, 2u);
  EXPECT_EQ(std::get<Release>(trace.events[4].what).bo, 1u);
  EXPECT_EQ(std::get<Release>(trace.events[5].what).bo, 2u);
  EXPECT_FALSE(std::get<Release>(trace.events[4].what).busy);
  EXPECT_TRUE(std::get<Release>(trace.events[5].what).busy);
  EXPECT_EQ(trace.events[6].at, nanoseconds(80));
  EXPECT_EQ(trace.events[0].client, trace.events[6].client);
  EXPECT_NE(trace.events[0].client, trace.events[1].client);
}

TEST(MesaLogTest, SaysWhatKindOfBoItWas) {
  const Trace trace = read_log("0 7 arrive p\n1 7 alloc 1 4096 0\n2 7 alloc 2 4096 1\n3 7 alloc 3 2097152 3\n");
  EXPECT_EQ(std::get<Alloc>(trace.events[1].what).flags, kAllocExecutable);
  EXPECT_EQ(std::get<Alloc>(trace.events[2].what).flags, 0u);
  EXPECT_EQ(std::get<Alloc>(trace.events[3].what).flags, kAllocHeap);
}

TEST(MesaLogTest, PutsLinesOfTwoProcessesInTheOrderOfTime) {
  const Trace trace = read_log("5 7 arrive late\n3 9 arrive early\n");
  EXPECT_EQ(std::get<Arrive>(trace.events[0].what).name, "early");
  EXPECT_EQ(trace.events[1].at, nanoseconds(2));
}

TEST(MesaLogTest, IsReadableAsATrace) {
  const TemporaryFile file;
  write_trace(read_log("1 7 arrive p\n2 7 alloc 1 4096 1\n3 7 release 1 1\n"), file.path());
  EXPECT_TRUE(std::holds_alternative<Idle>(read_trace(file.path()).events.back().what));
}

TEST(MesaLogTest, NamesTheLineThatIsWrong) {
  EXPECT_EQ(why_unreadable("1 7 arrive p\nwhat\n"), "a log: line 2: not an event");
  EXPECT_EQ(why_unreadable("1 7 arrive p\n2 7 alloc 1\n"), "a log: line 2: not an event");
  EXPECT_EQ(why_unreadable("1 7 arrive p\n2 7 explode\n"), "a log: line 2: not an event");
  EXPECT_EQ(why_unreadable("1 7 alloc 1 4096 1\n"), "a log: line 1: a process that did not arrive");
  EXPECT_EQ(why_unreadable("1 7 arrive p\n2 7 release 1 0\n"), "a log: line 2: a BO that the process has not got");
}

}  // namespace
}  // namespace panbo::replay
