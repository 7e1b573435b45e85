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

void place_open(struct run *run) {
  struct place_state *place = &run->place;
  if (sched_getaffinity(0, sizeof place->all, &place->all) < 0 || CPU_COUNT(&place->all) < 2) return;
  place->loadavg = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
}

void place_close(struct run *run) {
  if (run->place.loadavg >= 0) close(run->place.loadavg);
  run->place.loadavg = -1;
}

/* How many threads of the machine run or could, proc_loadavg(5); at a stop the tracer is one of them. */
static long running_now(const struct place_state *place) {
  char text[128];
  ssize_t length = pread(place->loadavg, text, sizeof text - 1, 0);
  if (length <= 0) return -1;
  text[length] = 0;
  const char *at = text;
  for (int i = 0; i < 3 && at; i++) {
    at = strchr(at, ' ');
    if (at) at++;
  }
  return at ? strtol(at, NULL, 10) : -1;
}

static void go_apart(struct place_state *place) {
  place->together = false;
  sched_setaffinity(0, sizeof place->all, &place->all);
}

static void come_together(struct place_state *place) {
  CPU_ZERO(&place->here);
  CPU_SET(sched_getcpu(), &place->here);
  place->together = sched_setaffinity(0, sizeof place->here, &place->here) == 0;
}

static void look(struct place_state *place) {
  bool alone = running_now(place) == 1;
  if (alone && place->score < SCORE_MAX) place->score++;
  if (!alone && place->score > 0) place->score--;
  if (place->together && place->score <= SCORE_APART) go_apart(place);
  if (!place->together && place->score >= SCORE_TOGETHER) come_together(place);
}

/* Before a resume: the tracee wakes up here. It is bound only that long. */
void place_bind(struct tracee *tracee) {
  struct place_state *place = &tracee->run->place;
  if (place->loadavg < 0) return;
  if (++place->stops % STOPS_A_LOOK == 0) look(place);
  tracee->bound = place->together && sched_setaffinity(tracee->tid, sizeof place->here, &place->here) == 0;
}

void place_release(struct tracee *tracee) {
  struct place_state *place = &tracee->run->place;
  if (tracee->bound) sched_setaffinity(tracee->tid, sizeof place->all, &place->all);
  tracee->bound = false;
}

/* A parent that ran before it was released has left its child bound. */
void place_birth(struct tracee *child) {
  struct place_state *place = &child->run->place;
  if (place->together) sched_setaffinity(child->tid, sizeof place->all, &place->all);
}
