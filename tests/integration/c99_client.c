/* A client as C programmers write it: strict C99, nothing but panbo.h and libpanbo. Its argument is the daemon's
 * socket; its status is the number of the first check that failed. */
#include <errno.h>
#include <panbo.h>
#include <stddef.h>

#define CHECK(number, condition) \
  if (!(condition)) return number

int main(int argc, char** argv) {
  struct panbo_client_options options = {0};
  struct panbo_alloc_request request = {.struct_size = sizeof request, .size = 1 << 20, .label = "texture"};
  struct panbo_stats stats = {.struct_size = sizeof stats};
  struct panbo_client* client = NULL;
  struct panbo_bo* bos[3] = {NULL, NULL, NULL};
  struct panbo_bo* again = NULL;
  uint32_t handle = 0;
  void* memory = NULL;
  struct panbo_alloc_request requests[2];

  CHECK(1, argc == 2);
  options.struct_size = sizeof options;
  options.socket_path = argv[1];
  options.drm_fd = -1;
  CHECK(2, panbo_client_connect(&options, &client) == 0);
  CHECK(3, panbo_client_get_fd(client) >= 0);

  CHECK(4, panbo_bo_alloc(client, &request, &bos[0]) == 0);
  CHECK(5, panbo_bo_get_fd(bos[0]) >= 0);
  CHECK(6, panbo_bo_get_size(bos[0]) >= request.size);
  CHECK(7, panbo_bo_get_origin(bos[0]) == PANBO_ORIGIN_FRESH);
  CHECK(8, panbo_bo_wait(bos[0], 0) == 0);

  requests[0] = requests[1] = request;
  CHECK(9, panbo_bo_alloc_batch(client, requests, 2, &bos[1]) == 0);
  CHECK(10, panbo_client_get_stats(client, &stats) == 0);
  CHECK(11, stats.leased_count == 3 && stats.fresh == 3);
  CHECK(12, panbo_bo_release(bos[0], 0) == 0);
  CHECK(13, panbo_bo_release(bos[1], PANBO_RELEASE_IDLE) == 0);
  CHECK(14, panbo_client_dispatch(client, 0) >= 0);

  request.size = 1 << 19;
  CHECK(15, panbo_bo_alloc(client, &request, &bos[0]) == 0);
  CHECK(16, panbo_bo_map(bos[0], &memory) == 0 && memory != NULL);
  CHECK(17, panbo_bo_get_handle(bos[0], &handle) == -ENOTSUP);
  panbo_bo_set_user_data(bos[0], &stats);
  CHECK(18, panbo_bo_release(bos[0], PANBO_RELEASE_IDLE) == 0);
  CHECK(19, panbo_bo_alloc(client, &request, &again) == 0);
  CHECK(20, panbo_bo_get_origin(again) == PANBO_ORIGIN_LOCAL);
  CHECK(21, panbo_bo_get_user_data(again) == &stats);
  CHECK(22, panbo_bo_release(again, PANBO_RELEASE_SHARED) == 0);
  panbo_client_close(client);
  return 0;
}
