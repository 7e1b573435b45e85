/*
 * Where tracees run. A stop wakes the tracer and a resume wakes the tracee, and the scheduler sends each to an idle CPU
 * when there is one: two calls to another CPU out of its sleep, several times what the stop itself costs. While tracees
 * stop often and only one of them has something to do at a time, they, the tracer, and the thread that serves their /proc
 * therefore take turns on one CPU; otherwise all go where the scheduler sends them.
 *
 * Only for runs whose tracees see the guest's CPUs: what is set here would show in sched_getaffinity(2).
 */
#include "trace-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A score of looks at which no second tracee had something to do against those at which one had: a single one may be a
 * moment between two programs of a busy run. The former weigh double, because a process that begins or ends counts as a
 * second one: where programs come and go one after the other, more than half of the looks find none.
 */
#define SCORE_ALONE 2
#define SCORE_MAX 16
#define SCORE_TOGETHER 12
#define SCORE_APART 4
/* A look costs about as much as a stop itself when both are on one CPU. */
#define STOPS_A_LOOK 4
/* Stops of a tick, 20 ms: tracees that stop less often lose more by sharing than they gain. */
#define STOPS_TOGETHER 20
#define STOPS_APART 10

static int open_stat(void) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", getpid());
  return open(path, O_RDONLY | O_CLOEXEC);
}

void cpu_open(struct run *run) {
  struct cpu_sharing *sharing = &run->sharing;
  if (sched_getaffinity(0, sizeof sharing->all, &sharing->all) < 0 || CPU_COUNT(&sharing->all) < 2) return;
  sharing->main_stat = open_stat();
  sharing->loadavg = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
}

/* What a small file of /proc has behind so many marks, or NULL. */
static const char *behind(int file, char mark, int marks, char *text, size_t size) {
  ssize_t length = pread(file, text, size - 1, 0);
  if (length <= 0) return NULL;
  text[length] = 0;
  const char *at = text;
  for (; at && marks > 0; marks--) {
    at = strchr(at, mark);
    if (at) at++;
  }
  return at;
}

/* How many threads of the machine run or could, proc_loadavg(5). */
static long running_now(const struct cpu_sharing *sharing) {
  char text[128];
  const char *at = behind(sharing->loadavg, ' ', 3, text, sizeof text);
  return at ? strtol(at, NULL, 10) : -1;
}

/* Whether our own main thread is one of them, proc_pid_stat(5): its name has no parenthesis. */
static bool main_runs(const struct run *run) {
  char text[512];
  if (run->thread == getpid() || run->sharing.main_stat < 0) return false;
  const char *at = behind(run->sharing.main_stat, ')', 1, text, sizeof text);
  return at && strncmp(at, " R", 2) == 0;
}

/* The tracer goes where it is told, and all whom it waits for and who wait for it. */
static void send(struct run *run, const cpu_set_t *cpus) {
  sched_setaffinity(run->thread, sizeof *cpus, cpus);
  if (run->server) sched_setaffinity(run->server, sizeof *cpus, cpus);
  for (struct tracee *tracee = NULL; (tracee = tracee_next(run, tracee));)
    if (tracee->state != TRACEE_DEAD) sched_setaffinity(tracee->tid, sizeof *cpus, cpus);
}

static void go_apart(struct run *run) {
  struct cpu_sharing *sharing = &run->sharing;
  if (!sharing->together) return;
  sharing->together = false;
  send(run, &sharing->all);
}

static void come_together(struct run *run) {
  struct cpu_sharing *sharing = &run->sharing;
  CPU_ZERO(&sharing->here);
  CPU_SET(sched_getcpu(), &sharing->here);
  sharing->together = true;
  send(run, &sharing->here);
}

static void look(struct run *run) {
  struct cpu_sharing *sharing = &run->sharing;
  long running = running_now(sharing);
  bool alone = running >= 0 && running - main_runs(run) <= 1;
  if (alone) sharing->score += SCORE_ALONE;
  if (sharing->score > SCORE_MAX) sharing->score = SCORE_MAX;
  if (!alone && sharing->score > 0) sharing->score--;
  if (sharing->score <= SCORE_APART) go_apart(run);
  if (!sharing->together && sharing->often && sharing->score >= SCORE_TOGETHER) come_together(run);
}

void cpu_resume(struct run *run) {
  struct cpu_sharing *sharing = &run->sharing;
  if (sharing->loadavg >= 0 && ++sharing->stops % STOPS_A_LOOK == 0) look(run);
}

void cpu_tick(struct run *run) {
  struct cpu_sharing *sharing = &run->sharing;
  unsigned stops = sharing->stops - sharing->stops_before;
  sharing->stops_before = sharing->stops;
  sharing->often = stops >= STOPS_TOGETHER;
  if (stops < STOPS_APART) go_apart(run);
}

/* It has its parent's CPUs of the moment of the fork, which may have changed since. */
void cpu_birth(struct tracee *child) {
  struct cpu_sharing *sharing = &child->run->sharing;
  if (sharing->loadavg < 0) return;
  const cpu_set_t *cpus = sharing->together ? &sharing->here : &sharing->all;
  sched_setaffinity(child->tid, sizeof *cpus, cpus);
}

void cpu_close(struct run *run) {
  struct cpu_sharing *sharing = &run->sharing;
  go_apart(run);
  if (sharing->loadavg >= 0) close(sharing->loadavg);
  if (sharing->main_stat >= 0) close(sharing->main_stat);
  sharing->loadavg = sharing->main_stat = -1;
}

int32_t oua_trace_set_server(int32_t handle, int32_t thread) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  run->server = thread;
  return 0;
}
