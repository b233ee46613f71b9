// Every source of memory pressure that this kernel and this sandbox have.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "daemon/app/fd_watch.h"
#include "daemon/app/pressure_source.h"

namespace panbo {

class PressureWatch {
 public:
  /// `cgroup`: the directory of the process' own, or empty. A source that is not to be had costs one line in the log.
  PressureWatch(boost::asio::io_context& io, const std::string& cgroup, std::function<void(Pressure)> on_pressure);

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
};

}  // namespace panbo
