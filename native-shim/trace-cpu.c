/*
 * Where tracees run. A stop wakes the tracer and a resume wakes the tracee, and the scheduler sends each to an idle CPU
 * when there is one: two calls to another CPU out of its sleep, several times what the stop itself costs. While
 * nothing else runs, tracer and tracee therefore take turns on one CPU; as soon as anything else does, both go where
 * the scheduler sends them.
 *
 * Only for runs whose tracees see the guest's CPUs: what is set here would show in sched_getaffinity(2).
 */
#include "trace-internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A score of stops at which nothing else ran against those at which something did: a single one may be a moment
 * between two programs of a busy machine, or a child that has just been made.
 */
#define SCORE_MAX 8
#define SCORE_TOGETHER 6
#define SCORE_APART 2
/* A look costs about as much as a stop itself when both are on one CPU. */
#define STOPS_A_LOOK 4

void cpu_open(struct run *run) {
  struct cpu_sharing *sharing = &run->sharing;
  if (sched_getaffinity(0, sizeof sharing->all, &sharing->all) < 0 || CPU_COUNT(&sharing->all) < 2) return;
  sharing->loadavg = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
}

void cpu_close(struct run *run) {
  if (run->sharing.loadavg >= 0) close(run->sharing.loadavg);
  run->sharing.loadavg = -1;
}

/* How many threads of the machine run or could, proc_loadavg(5); at a stop the tracer is one of them. */
static long running_now(const struct cpu_sharing *sharing) {
  char text[128];
  ssize_t length = pread(sharing->loadavg, text, sizeof text - 1, 0);
  if (length <= 0) return -1;
  text[length] = 0;
  const char *at = text;
  for (int i = 0; i < 3 && at; i++) {
    at = strchr(at, ' ');
    if (at) at++;
  }
  return at ? strtol(at, NULL, 10) : -1;
}

static void go_apart(struct cpu_sharing *sharing) {
  sharing->together = false;
  sched_setaffinity(0, sizeof sharing->all, &sharing->all);
}

static void come_together(struct cpu_sharing *sharing) {
  CPU_ZERO(&sharing->here);
  CPU_SET(sched_getcpu(), &sharing->here);
  sharing->together = sched_setaffinity(0, sizeof sharing->here, &sharing->here) == 0;
}

static void look(struct cpu_sharing *sharing) {
  bool alone = running_now(sharing) == 1;
  if (alone && sharing->score < SCORE_MAX) sharing->score++;
  if (!alone && sharing->score > 0) sharing->score--;
  if (sharing->together && sharing->score <= SCORE_APART) go_apart(sharing);
  if (!sharing->together && sharing->score >= SCORE_TOGETHER) come_together(sharing);
}

/* Before a resume: the tracee wakes up here. It is bound only that long. */
void cpu_bind(struct tracee *tracee) {
  struct cpu_sharing *sharing = &tracee->run->sharing;
  if (sharing->loadavg < 0) return;
  if (++sharing->stops % STOPS_A_LOOK == 0) look(sharing);
  tracee->bound = sharing->together && sched_setaffinity(tracee->tid, sizeof sharing->here, &sharing->here) == 0;
}

void cpu_release(struct tracee *tracee) {
  struct cpu_sharing *sharing = &tracee->run->sharing;
  if (tracee->bound) sched_setaffinity(tracee->tid, sizeof sharing->all, &sharing->all);
  tracee->bound = false;
}

/* A parent that ran before it was released has left its child bound. */
void cpu_birth(struct tracee *child) {
  struct cpu_sharing *sharing = &child->run->sharing;
  if (sharing->together) sched_setaffinity(child->tid, sizeof sharing->all, &sharing->all);
}
