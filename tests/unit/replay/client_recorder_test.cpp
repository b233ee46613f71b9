// libpanbo's recorder: what it writes is read as what the daemon's writes.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <string>

#include "client/lib/recorder.h"
#include "tests/replay/trace.h"
#include "tests/unit/replay/full_disk.h"
#include "tests/unit/replay/temporary_file.h"

namespace panbo::replay {
namespace {

class ClientRecorderTest : public testing::Test {
 protected:
  ~ClientRecorderTest() override { ::unsetenv("PANBO_RECORD"); }
};

TEST_F(ClientRecorderTest, WritesWhatTheProgramDoes) {
  const TemporaryFile file;
  ProgramRecorder recorder(*ForkGuard::make(), file.path(), 1 << 20);
  const uint32_t client = recorder.arrive("painter");
  const uint64_t first = recorder.alloc(client, 5000, 0);
  const uint64_t second = recorder.alloc(client, uint64_t{5} << 30, 3);
  recorder.release(client, first, false);
  recorder.release(client, second, true);
  recorder.depart(client);

  const Trace trace = read_trace(file.path());
  EXPECT_EQ(trace.recorder, "libpanbo");
  ASSERT_EQ(trace.events.size(), 7u);
  EXPECT_EQ(std::get<Arrive>(trace.events[0].what).name, "painter");
  EXPECT_EQ(std::get<Arrive>(trace.events[0].what).uid, ::getuid());
  EXPECT_EQ(std::get<Alloc>(trace.events[1].what).size, 5000u);
  EXPECT_EQ(std::get<Alloc>(trace.events[2].what).size, uint64_t{5} << 30);
  EXPECT_EQ(std::get<Alloc>(trace.events[2].what).flags, 3u);
  EXPECT_FALSE(std::get<Release>(trace.events[3].what).busy);
  EXPECT_TRUE(std::get<Release>(trace.events[4].what).busy);
  EXPECT_TRUE(std::holds_alternative<Depart>(trace.events[5].what));
  // The library cannot see the job's end: the reader makes one up.
  EXPECT_TRUE(std::holds_alternative<Idle>(trace.events[6].what));
}

TEST_F(ClientRecorderTest, EndsAtItsLimitAndSaysSo) {
  const TemporaryFile file;
  ProgramRecorder recorder(*ForkGuard::make(), file.path(), 100);
  testing::internal::CaptureStderr();
  const uint32_t client = recorder.arrive("painter");
  for (int i = 0; i < 100; ++i) recorder.alloc(client, 4096, 0);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  EXPECT_LE(file.bytes().size(), 100u);
  EXPECT_GT(read_trace(file.path()).events.size(), 1u);
}

TEST_F(ClientRecorderTest, AFileThatCannotBeMadeCostsOneLine) {
  ProgramRecorder recorder(*ForkGuard::make(), "/does/not/exist", 100);
  testing::internal::CaptureStderr();
  recorder.alloc(recorder.arrive("painter"), 4096, 0);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
}

/// The exit status of f() in a forked child.
template <class F>
int in_child(F f) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(f());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(ClientRecorderTest, ADiskThatGetsFullEndsTheFileWithAWholeEvent) {
  for (rlim_t bytes = 60; bytes < 90; ++bytes) {
    const TemporaryFile file;
    int said[2];
    ASSERT_EQ(::pipe(said), 0);
    EXPECT_EQ(in_child([&] {
                ::dup2(said[1], STDERR_FILENO);
                limit_files(bytes);
                ProgramRecorder recorder(*ForkGuard::make(), file.path(), 1 << 20);
                const uint32_t client = recorder.arrive("painter");
                for (int i = 0; i < 10; ++i) recorder.alloc(client, 4096, 0);
                return 0;
              }),
              0);
    ::close(said[1]);
    char text[512] = {};
    EXPECT_GT(::read(said[0], text, sizeof(text) - 1), 0);
    ::close(said[0]);
    EXPECT_TRUE(std::string(text).ends_with(" ends: File too large\n")) << text;
    EXPECT_GT(read_trace(file.path()).events.size(), 1u) << bytes;
  }
}

TEST_F(ClientRecorderTest, IsOffUnlessAsked) {
  EXPECT_EQ(in_child([] { return ProgramRecorder::of_this_process() == nullptr ? 0 : 1; }), 0);
  ::setenv("PANBO_RECORD", "", 1);
  EXPECT_EQ(in_child([] { return ProgramRecorder::of_this_process() == nullptr ? 0 : 1; }), 0);
}

TEST_F(ClientRecorderTest, AForkedChildDoesNotWriteIntoItsParentsFile) {
  const TemporaryFile file;
  ::setenv("PANBO_RECORD", file.path().c_str(), 1);
  // The recorder stays in its process, so this one must not have it.
  EXPECT_EQ(in_child([] {
              ProgramRecorder::of_this_process()->arrive("parent");
              const int child = in_child([] { return ProgramRecorder::of_this_process() == nullptr ? 0 : 1; });
              return child == 0 && ProgramRecorder::of_this_process() != nullptr ? 0 : 1;
            }),
            0);
  EXPECT_EQ(read_trace(file.path()).events.size(), 1u);
}

TEST_F(ClientRecorderTest, AForkedChildHasAFileOfItsOwnIfTheNameHasThePid) {
  const TemporaryFile directory("directory");
  std::filesystem::create_directory(directory.path());
  ::setenv("PANBO_RECORD", (directory.path() + "/%p.trace").c_str(), 1);
  EXPECT_EQ(in_child([] {
              ProgramRecorder::of_this_process()->arrive("parent");
              return in_child([] {
                ProgramRecorder::of_this_process()->arrive("child");
                return 0;
              });
            }),
            0);
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    EXPECT_EQ(read_trace(entry.path()).events.size(), 1u);
    ++files;
  }
  EXPECT_EQ(files, 2u);
  std::filesystem::remove_all(directory.path());
}

}  // namespace
}  // namespace panbo::replay
