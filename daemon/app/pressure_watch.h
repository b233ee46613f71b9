// Every source of memory pressure that this kernel and this sandbox have.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "daemon/app/fd_watch.h"
#include "daemon/app/pressure_source.h"

namespace panbo {

struct PressurePaths {
  std::string psi = "/proc/pressure/memory";
  /// Directory of the process' own cgroup; empty: none.
  std::string cgroup;
};

class PressureWatch {
 public:
  /// A source that is not to be had, or goes away, costs one line in the log.
  PressureWatch(boost::asio::io_context& io, const PressurePaths& paths, std::function<void(Pressure)> on_pressure);

 private:
  struct Watched {
    std::unique_ptr<PressureSource> source;
    std::optional<FdWatch> watch;
  };

  template <class Source>
  void add(const std::string& what, Result<Source> source);
  bool read(PressureSource& source);

  boost::asio::io_context& io_;
  const std::function<void(Pressure)> on_pressure_;
  std::list<Watched> watched_;
  /// Those that went away: two triggers have one file, and go together.
  std::set<std::string> gone_;
};

}  // namespace panbo
