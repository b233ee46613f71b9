// A lock between daemons of one user, which no other user can take.
#pragma once

#include <string>

#include "proto/result.h"
#include "proto/unique_fd.h"

namespace panbo {

class LockFile {
 public:
  /// Makes the file, with mode 0600, and waits for whoever has it locked. Errors: those of open(2); EPERM: a file is
  /// there that somebody else could have locked, or that is no regular file.
  static Result<LockFile> take(const std::string& path);

  LockFile(LockFile&&) = default;
  LockFile& operator=(LockFile&&) = delete;
  /// Removes the file, and ends the lock.
  ~LockFile();

 private:
  LockFile(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;
};

}  // namespace panbo
