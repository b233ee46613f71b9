// The dynamic linker is silent where it does not preload: a static program has none, and in a program that gets more
// rights than its user it ignores the environment. Both would run without panbo, and nobody would know.

#include "client/interpose/program_check.h"

#include <elf.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <link.h>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>

namespace panbo::interpose {
namespace {

constexpr int kNotFound = 127;
constexpr int kNotToBeRun = 126;
// Of a script: the kernel reads no more of it.
constexpr size_t kFirstLine = 256;

[[noreturn]] void refuse(const std::string& path, const std::string& reason, int status = kNotToBeRun) {
  throw Refusal{status, path + ": " + reason};
}

template <class T>
bool read_at(std::ifstream& file, uint64_t offset, T& out) {
  file.clear();
  file.seekg(static_cast<std::streamoff>(offset));
  return static_cast<bool>(file.read(reinterpret_cast<char*>(&out), sizeof(out)));
}

ElfW(Ehdr) own_header() {
  std::ifstream self("/proc/self/exe", std::ios::binary);
  ElfW(Ehdr) header{};
  read_at(self, 0, header);
  return header;
}

bool has_interpreter(std::ifstream& file, const ElfW(Ehdr) & header) {
  for (size_t i = 0; i < header.e_phnum; ++i) {
    ElfW(Phdr) segment{};
    if (!read_at(file, header.e_phoff + i * header.e_phentsize, segment)) return false;
    if (segment.p_type == PT_INTERP) return true;
  }
  return false;
}

// Root gets nothing more than it has.
void check_rights(const std::string& path, const struct stat& status) {
  const bool other_user = (status.st_mode & S_ISUID) != 0 && status.st_uid != ::geteuid();
  const bool other_group = (status.st_mode & S_ISGID) != 0 && status.st_gid != ::getegid();
  if (other_user || other_group) {
    refuse(path, std::string(other_user ? "set-user-ID" : "set-group-ID") +
                     ": no library can be preloaded into a program that gets more rights than its user");
  }
  if (::geteuid() != 0 && ::getxattr(path.c_str(), "security.capability", nullptr, 0) > 0) {
    refuse(path, "file capabilities: no library can be preloaded into a program that gets more rights than its user");
  }
}

void check_elf(const std::string& path, std::ifstream& file) {
  ElfW(Ehdr) header{};
  const bool whole = read_at(file, 0, header);
  const ElfW(Ehdr) own = own_header();
  if (header.e_ident[EI_CLASS] != own.e_ident[EI_CLASS] || header.e_ident[EI_DATA] != own.e_ident[EI_DATA] ||
      header.e_machine != own.e_machine) {
    refuse(path, "a program for another architecture than panbo-run's");
  }
  if (!whole || header.e_phentsize != sizeof(ElfW(Phdr))) refuse(path, "not a program");
  if (!has_interpreter(file, header)) {
    refuse(path, "statically linked: no library can be preloaded into it");
  }
}

// Of "#!/usr/bin/env python3" it is /usr/bin/env, which passes the environment on.
std::string interpreter_of(const std::string& line) {
  std::istringstream words(line.substr(2));
  std::string interpreter;
  words >> interpreter;
  return interpreter;
}

void check_file(const std::string& path, bool may_be_script) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) refuse(path, std::strerror(errno), errno == ENOENT ? kNotFound : kNotToBeRun);
  if (S_ISDIR(status.st_mode)) refuse(path, std::strerror(EISDIR));
  if (::access(path.c_str(), X_OK) != 0) refuse(path, std::strerror(errno));
  check_rights(path, status);
  std::ifstream file(path, std::ios::binary);
  // A program may be executable and not readable. What it is then shows when it runs.
  if (!file) return;
  std::array<char, kFirstLine> start{};
  file.read(start.data(), start.size());
  const std::string_view head(start.data(), static_cast<size_t>(file.gcount()));
  if (head.starts_with(ELFMAG)) return check_elf(path, file);
  if (!may_be_script) return;
  // What is neither is left to execvp(3), which gives it to the shell.
  check_file(head.starts_with("#!") ? interpreter_of(std::string(head.substr(0, head.find('\n')))) : "/bin/sh", false);
}

}  // namespace

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/bin:/usr/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
    struct stat status {};
    if (::access(candidate.c_str(), X_OK) == 0 && ::stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
      return candidate;
    }
  }
  refuse(name, "not found in PATH", kNotFound);
}

void check_program(const std::string& path) {
  check_file(path, true);
}

}  // namespace panbo::interpose
