/* A program as C programmers write it: nothing but panbo.h, in strict C99. That it compiles is half of the test. */
#include <panbo.h>

static int failures;

static void expect(int ok) {
  if (!ok) ++failures;
}

int main(void) {
  struct panbo_client_options options = {0};
  struct panbo_alloc_request request = {.struct_size = sizeof request, .flags = PANBO_BO_ZEROED, .size = 1 << 20};
  struct panbo_stats stats = {.struct_size = sizeof stats};
  struct panbo_client* client = NULL;
  struct panbo_bo* bo = NULL;

  expect(panbo_version() == (PANBO_VERSION_MAJOR << 16 | PANBO_VERSION_MINOR << 8 | PANBO_VERSION_PATCH));

  options.struct_size = sizeof options;
  options.socket_path = "/nowhere/panbo.sock";
  options.drm_fd = -1;
  expect(panbo_client_connect(&options, &client) < 0);
  expect(client == NULL);
  expect(panbo_bo_release(bo, PANBO_RELEASE_IDLE) == 0);
  panbo_client_close(client);

  /* Not to be called without a client, only to be linked. */
  if (client != NULL) {
    expect(panbo_client_get_fd(client) >= 0);
    expect(panbo_client_dispatch(client, 0) >= 0);
    expect(panbo_client_get_stats(client, &stats) == 0);
    expect(panbo_bo_alloc(client, &request, &bo) == 0);
    expect(panbo_bo_alloc_batch(client, &request, 1, &bo) == 0);
    expect(panbo_bo_get_fd(bo) >= 0);
    expect(panbo_bo_get_size(bo) >= request.size);
    expect(panbo_bo_get_origin(bo) == PANBO_ORIGIN_FRESH);
    expect(panbo_bo_wait(bo, -1) == 0);
  }
  return failures;
}
