// A client of panbod as any program is one: through libpanbo.
#pragma once

#include <panbo.h>

#include <memory>
#include <string>

namespace panbo::test {

/// A connection of this process, through libpanbo.
class Client {
 public:
  /// `socket_path` empty: the usual one. `flags`: by default it keeps nothing, so that a release is one. Throws
  /// std::runtime_error.
  explicit Client(const std::string& name, const std::string& socket_path = "", uint32_t flags = PANBO_CLIENT_NO_CACHE);

  /// Returns what panbo_bo_alloc() does.
  int try_alloc(uint64_t size, panbo_bo** out, uint32_t flags = 0, int64_t timeout_ns = 0);

  // Throw std::runtime_error if it fails.

  panbo_bo* alloc(uint64_t size, uint32_t flags = 0);
  void release(panbo_bo* bo, uint32_t flags = 0);
  [[nodiscard]] panbo_client* get() const { return client_.get(); }

 private:
  struct Close {
    void operator()(panbo_client* client) const { panbo_client_close(client); }
  };
  std::unique_ptr<panbo_client, Close> client_;
};

/// Names the BO for all processes.
uint64_t inode_of(panbo_bo* bo);

}  // namespace panbo::test
