#include "tests/support/client.h"

#include <sys/stat.h>

#include <stdexcept>

#include "proto/result.h"

namespace panbo::test {

Client::Client(const std::string& name, const std::string& socket_path, uint32_t flags) {
  panbo_client_options options{};
  options.struct_size = sizeof(options);
  options.flags = flags;
  options.socket_path = socket_path.empty() ? nullptr : socket_path.c_str();
  options.name = name.c_str();
  options.drm_fd = -1;
  panbo_client* client = nullptr;
  const int connected = panbo_client_connect(&options, &client);
  if (connected < 0) throw std::runtime_error("panbo_client_connect: " + Errno{-connected}.message());
  client_.reset(client);
}

int Client::try_alloc(uint64_t size, panbo_bo** out, uint32_t flags, int64_t timeout_ns) {
  panbo_alloc_request request{};
  request.struct_size = sizeof(request);
  request.size = size;
  request.flags = flags;
  request.timeout_ns = timeout_ns;
  return panbo_bo_alloc(client_.get(), &request, out);
}

panbo_bo* Client::alloc(uint64_t size, uint32_t flags) {
  panbo_bo* bo = nullptr;
  const int allocated = try_alloc(size, &bo, flags);
  if (allocated < 0) throw std::runtime_error("panbo_bo_alloc: " + Errno{-allocated}.message());
  return bo;
}

void Client::release(panbo_bo* bo, uint32_t flags) {
  const int released = panbo_bo_release(bo, flags);
  if (released < 0) throw std::runtime_error("panbo_bo_release: " + Errno{-released}.message());
}

uint64_t inode_of(panbo_bo* bo) {
  struct stat status {};
  if (::fstat(panbo_bo_get_fd(bo), &status) != 0) throw std::runtime_error("the BO has no fd");
  return status.st_ino;
}

}  // namespace panbo::test
