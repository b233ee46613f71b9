/*
 * panbo.h - GPU buffers (BOs) from panbod, the memory manager of a Mali board.
 *
 * A client connects to the daemon and asks it for BOs. Each comes as a dma-buf fd with a lease: the right to use the
 * BO until it is released. A released BO stays with the client for a while, where the next allocation of its size finds
 * it without a system call; the daemon takes it back when it is not used, or when the board is short of memory. It goes
 * to the daemon's cache then, and from there, once no GPU job and nobody else uses it, to the next client of the same
 * user.
 *
 * A driver gives its DRM fd, and gets each BO imported: its GEM handle, GPU address and CPU mapping stay with it while
 * it is kept, so that they cost nothing either when it is allocated again.
 *
 *     struct panbo_client *client;
 *     struct panbo_alloc_request request = {.struct_size = sizeof request, .size = 1 << 20};
 *     struct panbo_bo *bo;
 *     if (panbo_client_connect(NULL, &client) < 0) ...
 *     if (panbo_bo_alloc(client, &request, &bo) < 0) ...
 *     import_or_map(panbo_bo_get_fd(bo), panbo_bo_get_size(bo));
 *     panbo_bo_release(bo, 0);
 *     panbo_client_close(client);
 *
 * Conventions
 *   Returns      0 or more on success, a negative errno on failure. Out-parameters come last and are untouched on
 *                failure.
 *   Structs      Requests and options start with struct_size, which the caller sets to sizeof the struct it was
 *                compiled with; everything else may be zero. A struct_size smaller than any version of the struct had
 *                is -EINVAL; a larger one than the library knows is -E2BIG unless all beyond is zero. Unknown bits in
 *                flags are -EINVAL.
 *   Threads      A client and its BOs may be used by several threads at once. A BO must not be used by one thread
 *                while another releases it, nor a client while another closes it.
 *   Fork         The child's copy of a client is dead: calls on it and its BOs return -EOWNERDEAD. Releasing a BO
 *                there closes the child's fd and mapping of it, and closing the client also frees the child's memory,
 *                without touching the parent's leases and handles, and without on_drop. What another thread was
 *                changing at the fork is not freed.
 *   Daemon       It may come and go. BOs outlive it; the next allocation connects to the next one.
 *   Signals      No call raises SIGPIPE. Calls restart after EINTR.
 *   Sizes        In bytes. Times: in nanoseconds.
 */
#ifndef PANBO_H
#define PANBO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PANBO_VERSION_MAJOR 0
#define PANBO_VERSION_MINOR 1
#define PANBO_VERSION_PATCH 0

/* A user of the daemon, and the leases that it has. Opaque. */
struct panbo_client;

/* One leased BO. Opaque. */
struct panbo_bo;

/* Flags of a client. */
/* No thread of the library's own, which otherwise is made when the first BO is kept. The caller polls
 * panbo_client_get_fd() and calls panbo_client_dispatch() instead: until then what the daemon takes back is not given
 * back. */
#define PANBO_CLIENT_NO_THREAD (1u << 0)
/* Needs drm_fd. While there is no daemon, from the start or later, BOs are made on drm_fd (PANBO_ORIGIN_DIRECT). */
#define PANBO_CLIENT_DIRECT (1u << 1)
/* Keep nothing: every release goes to the daemon at once. */
#define PANBO_CLIENT_NO_CACHE (1u << 2)

/*
 * A BO is about to be dropped: it was released, is not kept any longer, and its handle, mapping and fd are closed when
 * this returns. user_data is what panbo_bo_set_user_data() gave it. Called from whichever thread drops it, the
 * library's own included, or from panbo_client_close(), then also for BOs that were not released. It must not call
 * panbo for anything but the panbo_bo_get_* of this BO.
 */
typedef void (*panbo_drop_fn)(struct panbo_bo *bo, void *user_data);

struct panbo_client_options {
  uint32_t struct_size;
  uint32_t flags; /* PANBO_CLIENT_* */
  /* Path of the daemon's socket. NULL: the environment's PANBO_SOCKET, else /run/panbo/panbo.sock. */
  const char *socket_path;
  /* For people, in statistics and logs; at most 64 bytes are kept. NULL: the program's name. */
  const char *name;
  /* A panfrost DRM fd of the caller's, borrowed until panbo_client_close(): BOs are imported there. 0 or negative:
   * none. */
  int drm_fd;
  /* May be NULL. */
  panbo_drop_fn on_drop;
};

/* Flags of an allocation. */
#define PANBO_BO_EXECUTABLE (1u << 0) /* the GPU may execute from it */
#define PANBO_BO_HEAP (1u << 1)       /* grows on GPU page fault, cannot be mapped by the CPU; not with EXECUTABLE */
#define PANBO_BO_ZEROED (1u << 2)     /* reads as zero */

struct panbo_alloc_request {
  uint32_t struct_size;
  uint32_t flags; /* PANBO_BO_* */
  uint64_t size;  /* from 1 to the device's limit */
  /* How long the daemon may wait for a released BO to become idle when there is no memory for a fresh one.
   * 0: not at all; negative: without limit. Without a wait the call takes as long as the kernel needs. */
  int64_t timeout_ns;
  /* What it is for, for people: panboctl labels shows at most 64 bytes of it, and the kernel 31, as the name of the
   * dma-buf. Control characters become '?'. May be NULL. */
  const char *label;
};

/* Where a BO came from. */
#define PANBO_ORIGIN_FRESH 1u  /* made for this request; reads as zero */
#define PANBO_ORIGIN_CACHED 2u /* from the daemon's cache: holds what a process of the same user left in it */
#define PANBO_ORIGIN_WAITED 3u /* granted after a wait; contents as for CACHED */
#define PANBO_ORIGIN_LOCAL 4u  /* from this client's own unused leases */
#define PANBO_ORIGIN_DIRECT 5u /* made without the daemon, on the caller's DRM fd */

/* Flags of a release. */
#define PANBO_RELEASE_IDLE (1u << 0) /* the caller knows that no GPU job uses the BO */
/* Somebody else may have it or have had it: another process got its fd, or another handle or mapping stays open. It is
 * not kept, and goes back to the daemon, who waits for those that it can see, and then destroys the BO. A mapping that
 * another process made through a DRM file cannot be seen: without this flag such a process would read what the BO is
 * used for next. Say it for every BO whose fd was ever given away. With a drm_fd, asking for the BO's fd implies it. */
#define PANBO_RELEASE_SHARED (1u << 1)

/* Counted since panbo_client_connect(), whichever daemon served. */
struct panbo_stats {
  uint32_t struct_size; /* set by the caller; never written */
  uint32_t reserved;
  uint64_t leased_count; /* BOs that this client's program has now */
  uint64_t leased_bytes;
  uint64_t fresh; /* BOs got, by origin */
  uint64_t cached;
  uint64_t waited;
  uint64_t local;
  uint64_t direct;
  uint64_t failed; /* BOs asked for and not got */
  /* Released BOs that are kept; they are not leased_. */
  uint64_t kept_count;
  uint64_t kept_bytes;
};

/* The version of the library that is running: major << 16 | minor << 8 | patch. Never fails. */
uint32_t panbo_version(void);

/*
 * Connects to the daemon and waits for its welcome, for 5 s at most. With PANBO_CLIENT_DIRECT it waits 1 s, and
 * succeeds without a daemon as well. options may be NULL for the defaults; it is not kept.
 * Errors: -ENOENT, -ECONNREFUSED no daemon; -EACCES not allowed to connect; -EPROTONOSUPPORT library and daemon have
 * no protocol version in common; -ENOTCONN the daemon hung up; -ETIMEDOUT it does not answer; -EPROTO its answer makes
 * no sense; -ENAMETOOLONG the path is too long for a socket; -ENOTSUP drm_fd is no DRM file of panfrost; -EINVAL;
 * -E2BIG; -EMFILE; -ENOMEM.
 */
int panbo_client_connect(const struct panbo_client_options *options, struct panbo_client **out);

/* Releases every lease, and frees the client and all its BOs with what they have. To be called before drm_fd is closed,
 * and before the library is unloaded. NULL is allowed. */
void panbo_client_close(struct panbo_client *client);

/* The fd to poll for POLLIN before panbo_client_dispatch(); the same one for the client's whole life. Borrowed: do not
 * read or close it. */
int panbo_client_get_fd(const struct panbo_client *client);

/*
 * Handles what the daemon has sent, waiting up to timeout_ns for it (0: do not wait, negative: without limit).
 * Returns the number of packets handled; those that another thread handles meanwhile, in a call that waits for an
 * answer, do not count. With PANBO_CLIENT_NO_THREAD it also gives back what the daemon has taken; without, it need not
 * be called by a program that only allocates and releases. Errors: -ENOTCONN there is no daemon; panbo_client_get_fd()
 * is quiet until an allocation has found one.
 */
int panbo_client_dispatch(struct panbo_client *client, int64_t timeout_ns);

/* Fills in as much of *out as out->struct_size says; counters that the library does not know are 0. Errors: -EINVAL. */
int panbo_client_get_stats(struct panbo_client *client, struct panbo_stats *out);

/*
 * Allocates one BO: from what is kept, or from the daemon. The caller owns the lease until panbo_bo_release() or
 * panbo_client_close(). A BO that was kept has the label with which the daemon lent it, whatever
 * the request says: to change that would take a system call.
 * Errors: -EINVAL size 0 or beyond the device's limit, unknown or contradictory flags; -ENOMEM no memory, even after
 * the daemon gave back all it could; -ETIMEDOUT the same, after waiting; -EDQUOT a quota of this client or user;
 * -ENOTCONN there is no daemon, and it is not yet time to try again or that failed; -EMFILE no room for another fd in
 * this process; -ENOSPC no GPU addresses left in drm_fd; -EXDEV drm_fd is of another device than the daemon's; -EIO the
 * device failed; -EOPNOTSUPP it cannot do this; -EPROTO the daemon's answer makes no sense.
 */
int panbo_bo_alloc(struct panbo_client *client, const struct panbo_alloc_request *request, struct panbo_bo **out);

/*
 * Allocates n BOs in one exchange with the daemon, all or none; out has room for n pointers. n is from 1 to 64, else
 * -EINVAL. All have the same struct_size, which is how far apart they lie. The longest of their timeouts counts for
 * all. Errors as above.
 */
int panbo_bo_alloc_batch(struct panbo_client *client, const struct panbo_alloc_request *requests, size_t n,
                         struct panbo_bo **out);

/*
 * The BO's dma-buf fd. Borrowed: valid until the release. A dup() of it, or a process that it was sent to, keeps the BO
 * in use: release it as PANBO_RELEASE_SHARED then. Errors: -EMFILE (with a drm_fd the fd is made when it is first asked
 * for); -EIO.
 */
int panbo_bo_get_fd(struct panbo_bo *bo);

/*
 * The BO's GEM handle in the client's drm_fd. Borrowed: do not close it. The kernel gives the same handle, uncounted,
 * to whoever imports the BO's dma-buf there: closing that one would close this one. Errors: -ENOTSUP no drm_fd.
 */
int panbo_bo_get_handle(const struct panbo_bo *bo, uint32_t *out);

/* Where the GPU sees the BO, when it works for the client's drm_fd. Errors: -ENOTSUP no drm_fd; -EIO. */
int panbo_bo_get_gpu_address(struct panbo_bo *bo, uint64_t *out);

/*
 * Maps all of the BO for the CPU, readable and writable, once; later calls give the same address. Borrowed: valid until
 * the release; do not unmap it. Errors: -EPERM a heap; -ENOMEM; -EIO.
 */
int panbo_bo_map(struct panbo_bo *bo, void **out);

/* A pointer of the caller's, for on_drop. NULL for each new BO; a BO that was kept (PANBO_ORIGIN_LOCAL) still has its
 * own, which panbo_bo_get_user_data() gives: what belongs to a BO can stay with it while it is kept. */
void panbo_bo_set_user_data(struct panbo_bo *bo, void *user_data);
void *panbo_bo_get_user_data(const struct panbo_bo *bo);

/* At least what was asked for; all of it may be used. */
uint64_t panbo_bo_get_size(const struct panbo_bo *bo);

/* PANBO_ORIGIN_*. */
uint32_t panbo_bo_get_origin(const struct panbo_bo *bo);

/*
 * Waits until no GPU job, of any process, uses the BO. timeout_ns 0: only look; negative: without limit.
 * Returns 0 when it is idle, -ETIMEDOUT when it is not.
 */
int panbo_bo_wait(struct panbo_bo *bo, int64_t timeout_ns);

/*
 * Gives the BO back, busy or not; it is not lent again before all jobs on it have ended. The caller closes its own
 * handles, mappings and copies of the fd first: while one exists the BO stays charged to the caller.
 * bo is dead afterwards, even on error. NULL is allowed.
 * Errors: -EINVAL unknown flags.
 */
int panbo_bo_release(struct panbo_bo *bo, uint32_t flags);

#ifdef __cplusplus
}
#endif

#endif /* PANBO_H */
