// flock(2) asks for no right to the file but that it can be opened. So a lock on something that everybody can read,
// such as the socket's directory, is anybody's to take.
//
// The file is removed while it is still locked. Whoever waited for the lock has locked a file that is gone then, sees
// that, and begins again with the one that is there.

#include "daemon/app/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace panbo {

Result<LockFile> LockFile::take(const std::string& path) {
  for (;;) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    struct stat opened {};
    if (!fd.valid() || ::fstat(fd.get(), &opened) < 0) return Errno::last();
    if (!S_ISREG(opened.st_mode) || opened.st_uid != ::geteuid() || (opened.st_mode & 0077) != 0) return Errno{EPERM};
    while (::flock(fd.get(), LOCK_EX) < 0) {
      if (errno != EINTR) return Errno::last();
    }
    struct stat there {};
    if (::lstat(path.c_str(), &there) == 0 && there.st_dev == opened.st_dev && there.st_ino == opened.st_ino) {
      return LockFile(std::move(fd), path);
    }
  }
}

LockFile::~LockFile() {
  if (fd_.valid()) ::unlink(path_.c_str());
}

}  // namespace panbo
