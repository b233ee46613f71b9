// What panbo-run does before it becomes the program, and what its library says in the end.

#include <elf.h>
#include <gtest/gtest.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "client/interpose/environment.h"
#include "client/interpose/program_check.h"
#include "client/interpose/report.h"

namespace panbo::interpose {
namespace {

TEST(EnvironmentTest, AWordIsAddedOnce) {
  EXPECT_EQ(add_word(nullptr, "nocache", ','), "nocache");
  EXPECT_EQ(add_word("", "nocache", ','), "nocache");
  EXPECT_EQ(add_word("sync,noafbc", "nocache", ','), "sync,noafbc,nocache");
  EXPECT_EQ(add_word("sync,nocache,noafbc", "nocache", ','), "sync,nocache,noafbc");
  EXPECT_EQ(add_word("nocaches", "nocache", ','), "nocaches,nocache");
}

TEST(ReportTest, SaysWhereBosCameFrom) {
  const BoCounts counts{.fresh = 3, .cached = 20, .waited = 1, .local = 100, .direct = 4, .failed = 5, .passed_on = 6};
  EXPECT_EQ(counts_line("game", 42, counts),
            "panbo-run: game[42] asked for 139 BOs: 100 local, 20 cached, 1 waited, 3 fresh, 4 direct, 6 passed on, "
            "5 failed\n");
}

class ProgramCheckTest : public testing::Test {
 protected:
  ProgramCheckTest() {
    std::string pattern = "/tmp/panbo-run-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~ProgramCheckTest() override { std::filesystem::remove_all(folder_); }

  /// A copy of this program.
  std::string copy(const std::string& name) {
    std::string path = folder_ / name;
    std::filesystem::copy_file("/proc/self/exe", path);
    return path;
  }

  std::string script(const std::string& first_line) {
    std::string path = folder_ / "script";
    std::ofstream(path) << first_line << "\n";
    ::chmod(path.c_str(), 0755);
    return path;
  }

  static void change_header(const std::string& path, const std::function<void(ElfW(Ehdr) &)>& change) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    ElfW(Ehdr) header{};
    file.read(reinterpret_cast<char*>(&header), sizeof header);
    change(header);
    file.seekp(0);
    file.write(reinterpret_cast<const char*>(&header), sizeof header);
  }

  /// Why the program is refused; empty: it is not.
  static std::string refusal(const std::string& path, int* status = nullptr) {
    try {
      check_program(path);
      return "";
    } catch (const Refusal& refusal) {
      if (status != nullptr) *status = refusal.status;
      return refusal.reason;
    }
  }

  std::filesystem::path folder_;
};

TEST_F(ProgramCheckTest, AnOrdinaryProgramRuns) {
  EXPECT_EQ(refusal(copy("program")), "");
  EXPECT_EQ(refusal(script("#!/bin/sh")), "");
  EXPECT_EQ(refusal(script("#! /usr/bin/env sh")), "");
  EXPECT_EQ(refusal(script("echo without an interpreter")), "");
}

TEST_F(ProgramCheckTest, AStaticProgramIsRefused) {
  const std::string path = copy("static");
  change_header(path, [](auto& header) { header.e_phnum = 0; });
  EXPECT_NE(refusal(path).find("statically linked"), std::string::npos) << refusal(path);
  EXPECT_NE(refusal(script("#!" + path)).find("statically linked"), std::string::npos);
}

TEST_F(ProgramCheckTest, AProgramOfAnotherArchitectureIsRefused) {
  const std::string path = copy("foreign");
  change_header(path, [](auto& header) { header.e_machine = EM_SPARC; });
  EXPECT_NE(refusal(path).find("architecture"), std::string::npos) << refusal(path);
}

TEST_F(ProgramCheckTest, AProgramThatIsNoneIsRefused) {
  int status = 0;
  EXPECT_NE(refusal(folder_ / "nothing", &status), "");
  EXPECT_EQ(status, 127);
  EXPECT_NE(refusal(folder_, &status), "");
  EXPECT_EQ(status, 126);
  const std::string path = folder_ / "text";
  std::ofstream(path) << "text";
  EXPECT_NE(refusal(path, &status), "") << "not executable";
  EXPECT_EQ(status, 126);
}

TEST_F(ProgramCheckTest, AProgramWithMoreRightsThanItsUserIsRefused) {
  std::string path = "/usr/bin/passwd";
  if (::geteuid() == 0) {
    path = copy("of-another-user");
    ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
    ASSERT_EQ(::chmod(path.c_str(), 04755), 0);
  }
  EXPECT_NE(refusal(path).find("set-user-ID"), std::string::npos) << refusal(path);
}

TEST_F(ProgramCheckTest, ANameIsLookedForInThePath) {
  EXPECT_TRUE(std::filesystem::path(find_program("sh")).is_absolute());
  EXPECT_EQ(find_program("./sh"), "./sh");
  EXPECT_THROW(find_program("panbo-no-such-program"), Refusal);
}

}  // namespace
}  // namespace panbo::interpose
