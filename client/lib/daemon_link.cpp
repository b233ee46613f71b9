// Nobody waits for a daemon to come back: whoever needs one looks whether it is time to try, and otherwise is told what
// the last attempt came to. The first attempt after the end of a session is made at once, as a daemon that is restarted
// by systemd has its socket all the time.
//
// A daemon that has only to be started, or a board that has much to do, may take a while to answer, and a BO that is
// made without the daemon meanwhile stays outside its budget: so the first attempt is patient, also for a program that
// can do without. One that hangs costs that once; further attempts are short until it answers.
//
// The fds of sessions come and go, while a program wants one fd to poll for its client's life: so it gets an epoll fd,
// from which those of a session that is over are taken out. A forked child has the same epoll fd and must not touch it.

#include "client/lib/daemon_link.h"

#include <sys/epoll.h>
#include <unistd.h>

namespace panbo {

Result<std::unique_ptr<DaemonLink>> DaemonLink::make(Settings settings, const ForkGuard& guard) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return Errno::last();
  return std::make_unique<DaemonLink>(std::move(settings), guard, std::move(epoll));
}

DaemonLink::DaemonLink(Settings settings, const ForkGuard& guard, UniqueFd epoll)
    : settings_(std::move(settings)),
      guard_(guard),
      epoll_(std::move(epoll)),
      backoff_(static_cast<uint32_t>(::getpid()) ^
               static_cast<uint32_t>(std::chrono::steady_clock::now().time_since_epoch().count())) {
}

std::shared_ptr<Session> DaemonLink::current() {
  const std::lock_guard lock(mutex_);
  return session_;
}

Result<std::shared_ptr<Session>> DaemonLink::get(bool& is_new) {
  is_new = false;
  if (auto session = current(); session != nullptr && !session->is_over()) return session;
  std::unique_lock connecting(connecting_, std::defer_lock);
  if (settings_.is_optional) {
    if (!connecting.try_lock()) return Errno{ENOTCONN};
  } else {
    connecting.lock();
  }
  return connect(is_new);
}

// With connecting_ held.
Result<std::shared_ptr<Session>> DaemonLink::connect(bool& is_new) {
  if (auto session = current(); session != nullptr) {
    if (!session->is_over()) return session;
    forget(*session);
  }
  const auto now = std::chrono::steady_clock::now();
  if (!backoff_.is_due(now)) return last_error_;
  const bool was_silent = last_error_ == Errno{ETIMEDOUT};
  auto session = Session::open(settings_.greeting, guard_,
                               now + (was_silent ? settings_.patience_with_silent : settings_.patience));
  if (!session) {
    last_error_ = session.error();
    backoff_.failed(std::chrono::steady_clock::now());
    return session;
  }
  backoff_.succeeded();
  last_error_ = Errno{ENOTCONN};
  is_new = true;
  const std::lock_guard lock(mutex_);
  session_ = *session;
  watch(*session_);
  return session;
}

void DaemonLink::watch(Session& session) {
  epoll_event readable{};
  readable.events = EPOLLIN;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, session.connection().fd(), &readable);
  if (settings_.watch_bell && session.bell() >= 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, session.bell(), &readable);
}

// Taken out, and not left to be closed: a forked child may have the fds open.
void DaemonLink::forget(Session& session) {
  session.set_over();
  const std::lock_guard lock(mutex_);
  if (session_.get() != &session) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, session.connection().fd(), nullptr);
  if (settings_.watch_bell && session.bell() >= 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, session.bell(), nullptr);
  session_ = nullptr;
}

bool DaemonLink::at_rest() {
  const std::unique_lock connecting(connecting_, std::try_to_lock);
  const std::unique_lock lock(mutex_, std::try_to_lock);
  return connecting.owns_lock() && lock.owns_lock() && (session_ == nullptr || session_->connection().at_rest());
}

}  // namespace panbo
