#include "tests/unit/interpose/fake_panbo.h"

#include <cassert>
#include <utility>

struct panbo_client {};

namespace panbo::interpose {
namespace {

FakePanbo* current = nullptr;
panbo_client the_client;

}  // namespace

FakePanbo::FakePanbo() {
  assert(current == nullptr);
  current = this;
}

FakePanbo::~FakePanbo() {
  current = nullptr;
}

panbo_bo* FakePanbo::make(uint64_t size, uint32_t flags) {
  if (reuse && kept_ != nullptr) return std::exchange(kept_, nullptr);
  bos_.push_back(std::make_unique<panbo_bo>(panbo_bo{.handle = next_handle_++, .size = size, .flags = flags}));
  return bos_.back().get();
}

void FakePanbo::release(panbo_bo* bo, uint32_t flags) {
  releases.push_back({bo->handle, flags});
  kept_ = bo;
}

void FakePanbo::drop(panbo_bo* bo) {
  connects.back().on_drop(bo, bo->user_data);
}

}  // namespace panbo::interpose

using panbo::interpose::current;
using panbo::interpose::FakePanbo;

int panbo_client_connect(const panbo_client_options* options, panbo_client** out) {
  current->connects.push_back(*options);
  if (current->connect_error == 0) *out = &panbo::interpose::the_client;
  return current->connect_error;
}

void panbo_client_close(panbo_client* client) {
  if (client != nullptr) ++current->closed_clients;
}

int panbo_client_get_stats(panbo_client*, panbo_stats* out) {
  out->fresh = current->requests.size();
  return 0;
}

int panbo_bo_alloc(panbo_client*, const panbo_alloc_request* request, panbo_bo** out) {
  current->requests.push_back(*request);
  if (current->alloc_error == 0) *out = current->make(request->size, request->flags);
  return current->alloc_error;
}

int panbo_bo_get_handle(const panbo_bo* bo, uint32_t* out) {
  *out = bo->handle;
  return 0;
}

int panbo_bo_get_gpu_address(panbo_bo* bo, uint64_t* out) {
  *out = FakePanbo::address_of(bo->handle);
  return 0;
}

void panbo_bo_set_user_data(panbo_bo* bo, void* user_data) {
  bo->user_data = user_data;
}

void* panbo_bo_get_user_data(const panbo_bo* bo) {
  return bo->user_data;
}

int panbo_bo_release(panbo_bo* bo, uint32_t flags) {
  current->release(bo, flags);
  return 0;
}
