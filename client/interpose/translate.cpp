// A handle that the program got from CREATE_BO is a handle of the kernel's, of a BO that libpanbo has imported. So all
// ioctls but those that make, close and purge a BO could go on to the kernel as they are. Some are answered here
// because the answer is known (WAIT_BO, MMAP_BO, GET_BO_OFFSET), and some are looked at for what they tell (SUBMIT,
// exports).
//
// Nothing that makes no sense is refused here: it goes to the kernel, which knows its own errors.
//
// Of a struct that is longer than ours the rest must be zero, for else it asks for something unknown: the kernel does
// it. That the kernel makes a BO then is no harm: its handle is foreign.

#include "client/interpose/translate.h"

#include <algorithm>
#include <cerrno>
#include <span>

#include "proto/panfrost_uapi.h"

namespace panbo::interpose {
namespace {

using uapi::CreateBo;
using uapi::GetBoOffset;
using uapi::kBoHeap;
using uapi::kBoNoexec;
using uapi::Madvise;
using uapi::MmapBo;
using uapi::Submit;
using uapi::WaitBo;

// How long CREATE_BO may wait for memory. Mesa cannot do without: it waits for its own BOs then without limit, and
// ends the program if there are none. The GPU's longest job ends within this.
constexpr int64_t kTimeoutNs = 2'000'000'000;

int failure(int error) {
  errno = error;
  return -1;
}

// The struct that the call has, if it has one that begins as T.
template <class T>
T* argument_of(const IoctlCall& call) {
  return _IOC_SIZE(call.request) >= sizeof(T) ? static_cast<T*>(call.argument) : nullptr;
}

// The same, if there is nothing in it beyond T.
template <class T>
T* whole_argument_of(const IoctlCall& call) {
  T* argument = argument_of<T>(call);
  if (argument == nullptr) return nullptr;
  const std::span bytes(static_cast<const std::byte*>(call.argument), _IOC_SIZE(call.request));
  const bool known = std::ranges::all_of(bytes.subspan(sizeof(T)), [](std::byte b) { return b == std::byte{0}; });
  return known ? argument : nullptr;
}

int pass_on(OpenFile& file, const IoctlCall& call) {
  return file.kernel().ioctl(call);
}

bool is_valid(const CreateBo& request) {
  const bool heap_without_noexec = (request.flags & (kBoHeap | kBoNoexec)) == kBoHeap;
  return request.size != 0 && request.pad == 0 && (request.flags & ~(kBoHeap | kBoNoexec)) == 0 && !heap_without_noexec;
}

uint32_t alloc_flags(uint32_t flags) {
  if ((flags & kBoHeap) != 0) return PANBO_BO_HEAP;
  return (flags & kBoNoexec) == 0 ? PANBO_BO_EXECUTABLE : 0;
}

// A handle of the program's for a BO of libpanbo's.
int hand_out(OpenFile& file, panbo_bo* bo, CreateBo& request) {
  uint32_t handle = 0;
  uint64_t address = 0;
  if (panbo_bo_get_handle(bo, &handle) < 0 || panbo_bo_get_gpu_address(bo, &address) < 0 ||
      !file.bos().lend(bo, handle)) {
    panbo_bo_release(bo, PANBO_RELEASE_IDLE);
    return failure(ENOMEM);
  }
  request.handle = handle;
  request.offset = address;
  return 0;
}

int create_bo(OpenFile& file, const IoctlCall& call) {
  auto* request = whole_argument_of<CreateBo>(call);
  panbo_client* client = request != nullptr && is_valid(*request) ? file.client() : nullptr;
  if (client == nullptr) {
    file.count_passed_on();
    return pass_on(file, call);
  }
  const int errno_before = errno;
  const panbo_alloc_request wanted{.struct_size = sizeof wanted,
                                   .flags = alloc_flags(request->flags),
                                   .size = request->size,
                                   .timeout_ns = kTimeoutNs};
  panbo_bo* bo = nullptr;
  const int status = panbo_bo_alloc(client, &wanted, &bo);
  // To a program that knows the kernel's CREATE_BO a quota, too, is a lack of memory.
  if (status < 0) return failure(status == -ENOSPC ? ENOSPC : ENOMEM);
  const int answer = hand_out(file, bo, *request);
  if (answer == 0) errno = errno_before;
  return answer;
}

int close_handle(OpenFile& file, const IoctlCall& call) {
  const auto* request = argument_of<drm_gem_close>(call);
  if (request == nullptr || file.bos().use(request->handle) == HandleUse::kForeign) return pass_on(file, call);
  const auto released = file.bos().take_back(request->handle);
  if (!released) return failure(EINVAL);
  const int errno_before = errno;
  panbo_bo_release(released->bo, released->flags);
  errno = errno_before;
  return 0;
}

// The kernel never takes the pages of a BO that the daemon has lent.
int madvise(Madvise& request) {
  request.retained = 1;
  return 0;
}

int wait_bo(OpenFile& file, const IoctlCall& call, const WaitBo& request) {
  if (request.pad == 0 && file.bos().is_idle(request.handle)) return 0;
  const uint64_t submissions = file.bos().submissions(request.handle);
  const int answer = pass_on(file, call);
  if (answer == 0) file.bos().set_idle(request.handle, submissions);
  return answer;
}

int mmap_bo(OpenFile& file, const IoctlCall& call, MmapBo& request) {
  const auto known = file.bos().mmap_offset(request.handle);
  if (known && request.flags == 0) {
    request.offset = *known;
    return 0;
  }
  const int answer = pass_on(file, call);
  if (answer == 0) file.bos().set_mmap_offset(request.handle, request.offset);
  return answer;
}

int get_bo_offset(OpenFile& file, const IoctlCall& call, GetBoOffset& request) {
  panbo_bo* bo = file.bos().bo(request.handle);
  uint64_t address = 0;
  if (bo == nullptr || panbo_bo_get_gpu_address(bo, &address) < 0) return pass_on(file, call);
  request.offset = address;
  return 0;
}

// For an ioctl on one BO: `then(argument)` if the BO is ours. A handle that the program has closed is none, although
// the kernel still has it.
template <class T, class Then>
int on_bo(OpenFile& file, const IoctlCall& call, Then then) {
  auto* argument = argument_of<T>(call);
  if (argument == nullptr) return pass_on(file, call);
  switch (file.bos().use(argument->handle)) {
    case HandleUse::kForeign:
      break;
    case HandleUse::kProgram:
      return then(*argument);
    case HandleUse::kLibrary:
      return failure(ENOENT);
  }
  return pass_on(file, call);
}

template <class T>
int export_bo(OpenFile& file, const IoctlCall& call) {
  return on_bo<T>(file, call, [&](const T& request) {
    const int answer = pass_on(file, call);
    if (answer == 0) file.bos().set_shared(request.handle);
    return answer;
  });
}

// Only after the kernel has taken it: then the array of handles can be read, too.
int submit(OpenFile& file, const IoctlCall& call) {
  const int answer = pass_on(file, call);
  const auto* request = argument_of<Submit>(call);
  if (answer != 0 || request == nullptr || request->bo_handle_count == 0) return answer;
  const auto* handles = reinterpret_cast<const uint32_t*>(static_cast<uintptr_t>(request->bo_handles));
  file.bos().set_submitted({handles, request->bo_handle_count});
  return answer;
}

}  // namespace

bool is_translated(unsigned long request) {
  if (_IOC_TYPE(request) != DRM_IOCTL_BASE) return false;
  switch (_IOC_NR(request)) {
    case _IOC_NR(uapi::kCreateBo):
    case _IOC_NR(DRM_IOCTL_GEM_CLOSE):
    case _IOC_NR(uapi::kMadvise):
    case _IOC_NR(uapi::kWaitBo):
    case _IOC_NR(uapi::kMmapBo):
    case _IOC_NR(uapi::kGetBoOffset):
    case _IOC_NR(uapi::kSubmit):
    case _IOC_NR(DRM_IOCTL_PRIME_HANDLE_TO_FD):
    case _IOC_NR(DRM_IOCTL_GEM_FLINK):
      return true;
    default:
      return false;
  }
}

int translate(OpenFile& file, const IoctlCall& call) {
  switch (_IOC_NR(call.request)) {
    case _IOC_NR(uapi::kCreateBo):
      return create_bo(file, call);
    case _IOC_NR(DRM_IOCTL_GEM_CLOSE):
      return close_handle(file, call);
    case _IOC_NR(uapi::kMadvise):
      return on_bo<Madvise>(file, call, madvise);
    case _IOC_NR(uapi::kWaitBo):
      return on_bo<WaitBo>(file, call, [&](const WaitBo& request) { return wait_bo(file, call, request); });
    case _IOC_NR(uapi::kMmapBo):
      return on_bo<MmapBo>(file, call, [&](MmapBo& request) { return mmap_bo(file, call, request); });
    case _IOC_NR(uapi::kGetBoOffset):
      return on_bo<GetBoOffset>(file, call, [&](GetBoOffset& request) { return get_bo_offset(file, call, request); });
    case _IOC_NR(uapi::kSubmit):
      return submit(file, call);
    case _IOC_NR(DRM_IOCTL_PRIME_HANDLE_TO_FD):
      return export_bo<drm_prime_handle>(file, call);
    case _IOC_NR(DRM_IOCTL_GEM_FLINK):
      return export_bo<drm_gem_flink>(file, call);
    default:
      return pass_on(file, call);
  }
}

}  // namespace panbo::interpose
