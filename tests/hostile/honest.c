/* An honest client: one allocation of 64 KiB and its release every millisecond, each through the daemon, since it keeps
 * nothing itself. When it has done that for the given time, or as often as was asked, it prints what it saw as one line
 * of JSON: how many allocations were served and failed, and how long a call of panbo_bo_alloc() took.
 *
 *     panbo-honest SOCKET NAME SECONDS [COUNT]
 */
#include <panbo.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define SIZE (64u << 10)
#define PERIOD_NS 1000000
#define MOST_TIMES 1000000
#define MOST_ERRNOS 200

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_until(int64_t time_ns) {
  struct timespec time;
  time.tv_sec = time_ns / 1000000000;
  time.tv_nsec = time_ns % 1000000000;
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static int by_value(const void* a, const void* b) {
  int64_t x = *(const int64_t*)a, y = *(const int64_t*)b;
  return (x > y) - (x < y);
}

static double percentile_us(const int64_t* sorted, size_t count, double share) {
  if (count == 0) return 0;
  return (double)sorted[(size_t)((double)(count - 1) * share)] / 1000.0;
}

int main(int argc, char** argv) {
  struct panbo_client_options options;
  struct panbo_alloc_request request;
  struct panbo_client* client;
  static int64_t times[MOST_TIMES];
  static unsigned errors[MOST_ERRNOS];
  size_t served = 0, failed = 0, most = MOST_TIMES;
  int64_t begin, end, next, connect_ns;
  int error, i;
  const char* comma = "";

  if (argc < 4) return 2;
  if (argc > 4) most = strtoul(argv[4], NULL, 10);
  if (most > MOST_TIMES) most = MOST_TIMES;
  prctl(PR_SET_TIMERSLACK, 1000);

  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.flags = PANBO_CLIENT_NO_CACHE;
  options.socket_path = argv[1];
  options.name = argv[2];
  begin = now_ns();
  error = panbo_client_connect(&options, &client);
  connect_ns = now_ns() - begin;
  if (error < 0) {
    printf(
        "{\"served\": 0, \"failed\": 1, \"connect_us\": %.1f, \"p50_us\": 0, \"p99_us\": 0, \"max_us\": 0, "
        "\"errors\": {\"connect %d\": 1}}\n",
        (double)connect_ns / 1000.0, error);
    return 0;
  }

  memset(&request, 0, sizeof request);
  request.struct_size = sizeof request;
  request.size = SIZE;
  request.label = "honest";
  next = now_ns();
  end = next + (int64_t)(strtod(argv[3], NULL) * 1e9);
  while (served + failed < most && next < end) {
    struct panbo_bo* bo;
    int64_t before = now_ns();
    int64_t after;
    error = panbo_bo_alloc(client, &request, &bo);
    after = now_ns();
    if (error < 0) {
      ++failed;
      ++errors[-error < MOST_ERRNOS ? -error : 0];
    } else {
      times[served++] = after - before;
      panbo_bo_release(bo, PANBO_RELEASE_IDLE);
    }
    /* What was missed meanwhile is not caught up: it would be a burst that no program makes. */
    next += PERIOD_NS;
    if (next < after) next = after + PERIOD_NS;
    sleep_until(next);
  }
  panbo_client_close(client);

  qsort(times, served, sizeof times[0], by_value);
  printf(
      "{\"served\": %zu, \"failed\": %zu, \"connect_us\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
      "\"max_us\": %.1f, \"errors\": {",
      served, failed, (double)connect_ns / 1000.0, percentile_us(times, served, 0.5),
      percentile_us(times, served, 0.99), percentile_us(times, served, 1));
  for (i = 0; i < MOST_ERRNOS; ++i) {
    if (errors[i] == 0) continue;
    printf("%s\"%s\": %u", comma, strerror(i), errors[i]);
    comma = ", ";
  }
  printf("}}\n");
  return 0;
}
