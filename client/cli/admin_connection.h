// panboctl's end of the admin socket.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "panbo.pb.h"
#include "proto/unique_fd.h"

namespace panbo::cli {

/// A command cannot be carried out; what() says why, and what to do about it.
class CommandError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class AdminConnection {
 public:
  /// Throws CommandError.
  explicit AdminConnection(const std::string& path);

  /// Asks, and waits for the answer, which is of the kind that `body` names. Throws CommandError, also when the daemon
  /// answers with a Failure.
  wire::Envelope ask(wire::Envelope request, wire::Envelope::BodyCase body);

  /// Who is connected, however many answers it takes. Throws as ask().
  std::vector<wire::Client> clients();
  /// What they use their BOs for, likewise.
  std::vector<wire::Label> labels();
  /// The daemon's settings, likewise.
  std::vector<wire::Setting> settings();

 private:
  template <class Row, class List>
  std::vector<Row> ask_for_list(wire::Envelope request, wire::Envelope::BodyCase body,
                                const List& (wire::Envelope::*list)() const,
                                const google::protobuf::RepeatedPtrField<Row>& (List::*rows)() const);
  wire::Envelope receive(wire::Envelope::BodyCase body);

  std::string path_;
  UniqueFd socket_;
  uint64_t last_request_id_ = 0;
};

}  // namespace panbo::cli
