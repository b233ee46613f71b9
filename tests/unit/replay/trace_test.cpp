#include "tests/replay/trace.h"

#include <gtest/gtest.h>

#include "daemon/app/trace_writer.h"
#include "tests/replay/trace_output.h"
#include "tests/unit/replay/temporary_file.h"

namespace panbo::replay {
namespace {

using std::chrono::milliseconds;

Trace small_trace() {
  return {.name = "small",
          .recorder = "a test",
          .events = {{milliseconds(1), 7, Arrive{.name = "painter", .uid = 1000}},
                     {milliseconds(2), 7, Alloc{.bo = 1, .size = 4096}},
                     {milliseconds(2), 7, Alloc{.bo = 2, .size = uint64_t{5} << 30, .flags = 3}},
                     {milliseconds(5), 7, Release{.bo = 1, .busy = true}},
                     {milliseconds(6), 7, Release{.bo = 2}},
                     {milliseconds(9), 7, Idle{1}},
                     {milliseconds(10), 7, Depart{}}}};
}

std::string why_unreadable(const std::string& path) {
  try {
    (void)read_trace(path);
  } catch (const TraceError& error) {
    return error.what();
  }
  return "readable";
}

class TraceTest : public testing::Test {
 protected:
  std::string error_of(std::vector<Event> events) {
    write_trace({.events = std::move(events)}, file_.path());
    return why_unreadable(file_.path());
  }

  TemporaryFile file_;
};

TEST_F(TraceTest, WhatIsWrittenIsRead) {
  const Trace written = small_trace();
  write_trace(written, file_.path());
  const Trace read = read_trace(file_.path());
  EXPECT_EQ(read.recorder, "a test");
  ASSERT_EQ(read.events.size(), written.events.size());
  for (size_t i = 0; i < written.events.size(); ++i) {
    EXPECT_EQ(read.events[i].at, written.events[i].at);
    EXPECT_EQ(read.events[i].client, 7u);
    EXPECT_EQ(read.events[i].what.index(), written.events[i].what.index());
  }
  EXPECT_EQ(std::get<Arrive>(read.events[0].what).name, "painter");
  EXPECT_EQ(std::get<Arrive>(read.events[0].what).uid, 1000u);
  EXPECT_EQ(std::get<Alloc>(read.events[2].what).bo, 2u);
  EXPECT_EQ(std::get<Alloc>(read.events[2].what).size, uint64_t{5} << 30);
  EXPECT_EQ(std::get<Alloc>(read.events[2].what).flags, 3u);
  EXPECT_TRUE(std::get<Release>(read.events[3].what).busy);
  EXPECT_FALSE(std::get<Release>(read.events[4].what).busy);
  EXPECT_EQ(std::get<Idle>(read.events[5].what).bo, 1u);
}

TEST_F(TraceTest, AnEventTakesFewBytes) {
  Trace trace{.events = {{Duration{}, 1, Arrive{}}}};
  for (uint64_t i = 1; i <= 1000; ++i) {
    trace.events.push_back({milliseconds(i), 1, Alloc{.bo = i, .size = 65536}});
    trace.events.push_back({milliseconds(i), 1, Release{.bo = i}});
  }
  write_trace(trace, file_.path());
  EXPECT_LT(file_.bytes().size(), trace.events.size() * 20);
}

TEST_F(TraceTest, WhereverItIsCutOffItIsATraceOrTheOffsetIsNamed) {
  write_trace(small_trace(), file_.path());
  const std::string whole = file_.bytes();
  size_t readable = 0;
  for (size_t length = 0; length < whole.size(); ++length) {
    file_.write(whole.substr(0, length));
    const std::string why = why_unreadable(file_.path());
    if (why == "readable") {
      ++readable;
    } else {
      EXPECT_NE(why.find(file_.path() + ": byte "), std::string::npos) << why;
    }
  }
  // After the header, and after each event but the last.
  EXPECT_EQ(readable, small_trace().events.size());
}

TEST_F(TraceTest, SurvivesEveryByteThatIsWrong) {
  write_trace(small_trace(), file_.path());
  const std::string whole = file_.bytes();
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const int value : {0x00, 0x7f, 0x80, 0xff}) {
      std::string wrong = whole;
      wrong[i] = static_cast<char>(value);
      file_.write(wrong);
      const std::string why = why_unreadable(file_.path());
      EXPECT_TRUE(why == "readable" || why.find(": byte ") != std::string::npos) << why;
    }
  }
}

TEST_F(TraceTest, NamesTheByteAtWhichItIsWrong) {
  write_trace({.events = {{Duration{}, 1, Arrive{}}}}, file_.path());
  const size_t second_event = file_.bytes().size();
  EXPECT_EQ(error_of({{Duration{}, 1, Arrive{}}, {Duration{}, 1, Release{.bo = 9}}}),
            file_.path() + ": byte " + std::to_string(second_event) + ": a client releases a BO that it has not got");
}

TEST_F(TraceTest, AStoryThatDoesNotHoldTogetherIsRefused) {
  const Event arrive{Duration{}, 1, Arrive{}};
  const Event depart{Duration{}, 1, Depart{}};
  const Event alloc{Duration{}, 1, Alloc{.bo = 1, .size = 4096}};
  const Event release{Duration{}, 1, Release{.bo = 1}};
  const auto refused = [](const std::string& error) { return error.find(": byte ") != std::string::npos; };
  EXPECT_TRUE(refused(error_of({alloc})));
  EXPECT_TRUE(refused(error_of({depart})));
  EXPECT_TRUE(refused(error_of({arrive, arrive})));
  EXPECT_TRUE(refused(error_of({arrive, depart, arrive})));
  EXPECT_TRUE(refused(error_of({arrive, alloc, alloc})));
  EXPECT_TRUE(refused(error_of({arrive, alloc, release, release})));
  EXPECT_TRUE(refused(error_of({arrive, alloc, {Duration{}, 1, Idle{1}}})));
  EXPECT_TRUE(refused(error_of({arrive, {Duration{}, 1, Alloc{.bo = 1}}})));
  EXPECT_TRUE(refused(error_of({arrive, {Duration{}, 2, Arrive{}}, alloc, {Duration{}, 2, Release{.bo = 1}}})));
  EXPECT_EQ(error_of({arrive, alloc, release, depart}), "readable");
}

TEST_F(TraceTest, AJobWhoseEndWasNotRecordedLastsAFrame) {
  write_trace({.events = {{Duration{}, 1, Arrive{}},
                          {Duration{}, 1, Alloc{.bo = 1, .size = 4096}},
                          {Duration{}, 1, Release{.bo = 1, .busy = true}},
                          {milliseconds(100), 1, Depart{}}}},
              file_.path());
  const Trace read = read_trace(file_.path());
  ASSERT_EQ(read.events.size(), 5u);
  EXPECT_EQ(std::get<Idle>(read.events[3].what).bo, 1u);
  EXPECT_EQ(read.events[3].at, kUnrecordedJob);
}

TEST_F(TraceTest, WhatIsNoTraceIsRefused) {
  EXPECT_NE(why_unreadable("/does/not/exist").find("cannot be read"), std::string::npos);
  file_.write("This is a text.");
  EXPECT_NE(why_unreadable(file_.path()).find("byte 0: "), std::string::npos);
}

TEST_F(TraceTest, TheWriterStopsAtItsLimitAfterAWholeEvent) {
  auto writer = TraceWriter::create(file_.path(), "a test", 100);
  ASSERT_TRUE(writer);
  Result<void> appended;
  size_t events = 0;
  trace::Event arrive;
  arrive.mutable_arrive();
  for (uint32_t client = 1; appended; ++client, ++events) {
    arrive.set_client(client);
    appended = writer->append(arrive, milliseconds(client));
  }
  EXPECT_EQ(appended.error(), Errno{EFBIG});
  EXPECT_EQ(writer->append(arrive, milliseconds(1000)).error(), Errno{EFBIG});
  EXPECT_LE(file_.bytes().size(), 100u);
  EXPECT_EQ(read_trace(file_.path()).events.size(), events - 1);
}

TEST_F(TraceTest, TheWriterReportsAFullDisk) {
  EXPECT_EQ(TraceWriter::create("/dev/full", "a test").error(), Errno{ENOSPC});
  EXPECT_EQ(TraceWriter::create("/does/not/exist", "a test").error(), Errno{ENOENT});
}

}  // namespace
}  // namespace panbo::replay
