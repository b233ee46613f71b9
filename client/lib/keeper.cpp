// It waits for two things beside being woken: the bell, and the end of the connection. It is not a reader of the
// socket: asked for no event, poll(2) reports only the end, and a packet does not wake it. (The bell would not tell: a
// datagram socket does not notice that its other end is closed.)
//
// It is a bare pthread, since a std::thread that was never joined ends the program when it is destroyed, which is what
// happens in a forked child. Signals are the program's, and none of them come here.

#include "client/lib/keeper.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <csignal>

namespace panbo {

void Keeper::stop() {
  if (!guard_.in_maker() || !runs_) return;
  stopping_ = true;
  ::eventfd_write(wake_.get(), 1);
  ::pthread_join(thread_, nullptr);
  runs_ = false;
}

bool Keeper::start_thread() {
  const std::lock_guard lock(mutex_);
  if (runs_) return true;
  if (!wake_.valid()) wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.valid()) return false;
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const bool made = ::pthread_create(&thread_, nullptr, main, this) == 0;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (made) ::pthread_setname_np(thread_, "panbo");
  runs_.store(made, std::memory_order_release);
  return made;
}

void Keeper::session_changed() {
  if (runs_) ::eventfd_write(wake_.get(), 1);
}

bool Keeper::at_rest() {
  return std::unique_lock(mutex_, std::try_to_lock).owns_lock();
}

void* Keeper::main(void* self) {
  static_cast<Keeper*>(self)->run();
  return nullptr;
}

void Keeper::run() {
  while (!stopping_) {
    const auto session = work_.session();
    const bool has_bell = session != nullptr && session->bell() >= 0;
    pollfd fds[] = {{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                    {.fd = has_bell ? session->bell() : -1, .events = POLLIN, .revents = 0},
                    {.fd = has_bell ? session->connection().fd() : -1, .events = 0, .revents = 0}};
    if (::poll(fds, std::size(fds), -1) < 0) continue;
    eventfd_t ignored;
    if (fds[0].revents != 0) ::eventfd_read(wake_.get(), &ignored);
    if ((fds[1].revents & POLLIN) != 0 && session->hear_bell()) work_.bell_rang();
    if ((fds[1].revents & ~POLLIN) != 0 || fds[2].revents != 0) work_.session_over(*session);
  }
}

}  // namespace panbo
