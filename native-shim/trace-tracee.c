/* The table of tracees, and what /proc says about one. */
#include "trace-internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct tracee **bucket_of(struct run *run, pid_t tid) {
  return &run->tracees[(unsigned)tid % TRACEE_BUCKETS];
}

struct tracee *tracee_find(struct run *run, pid_t tid) {
  struct tracee *tracee = *bucket_of(run, tid);
  while (tracee && tracee->tid != tid) tracee = tracee->next;
  return tracee;
}

struct tracee *tracee_add(struct run *run, pid_t tid) {
  struct tracee *tracee = calloc(1, sizeof *tracee);
  if (!tracee) return NULL;
  struct tracee **bucket = bucket_of(run, tid);
  tracee->run = run;
  tracee->tid = tracee->tgid = tid;
  tracee->next = *bucket;
  *bucket = tracee;
  run->tracee_count++;
  return tracee;
}

void tracee_forget_exec(struct tracee *tracee) {
  exec_free(tracee->exec);
  tracee->exec = NULL;
  tracee->arming = false;
}

/* The child's exec or end lets a vfork parent go on. */
void tracee_end_vfork(struct run *run, struct tracee *child) {
  struct tracee *parent = child->vfork_parent ? tracee_find(run, child->vfork_parent) : NULL;
  if (parent) parent->in_vfork = false;
  child->vfork_parent = 0;
}

void tracee_remove(struct run *run, struct tracee *tracee) {
  tracee_end_vfork(run, tracee);
  tracee_forget_exec(tracee);
  free(tracee->told);
  struct tracee **link = bucket_of(run, tracee->tid);
  while (*link != tracee) link = &(*link)->next;
  *link = tracee->next;
  run->tracee_count--;
  free(tracee->affinity);
  free(tracee);
}

/* Walks the table: NULL begins, NULL ends. Ask for the next one before removing one. */
struct tracee *tracee_next(struct run *run, struct tracee *after) {
  if (after && after->next) return after->next;
  for (unsigned i = after ? (unsigned)after->tid % TRACEE_BUCKETS + 1 : 0; i < TRACEE_BUCKETS; i++)
    if (run->tracees[i]) return run->tracees[i];
  return NULL;
}

/* The first (or last) number of a field of /proc/<tid>/<name>, or -1. */
pid_t proc_number(pid_t tid, const char *name, const char *field, bool last) {
  char path[64], line[512];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)tid, name);
  FILE *file = fopen(path, "re");
  if (!file) return -1;
  pid_t number = -1;
  size_t length = strlen(field);
  while (fgets(line, sizeof line, file)) {
    if (strncmp(line, field, length) != 0 || line[length] != ':') continue;
    char *at = line + length + 1, *end;
    for (long value = strtol(at, &end, 10); end != at; at = end, value = strtol(at, &end, 10)) {
      number = (pid_t)value;
      if (!last) break;
    }
    break;
  }
  fclose(file);
  return number;
}

pid_t proc_status_number(pid_t tid, const char *field, bool last) {
  return proc_number(tid, "status", field, last);
}

bool proc_is_zombie(pid_t tid) {
  char path[40], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)tid);
  FILE *file = fopen(path, "re");
  if (!file) return false;
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  /* The name before the state may hold anything. */
  const char *end = strrchr(text, ')');
  return end && strncmp(end, ") Z", 3) == 0;
}

/* kill(2): signal 0 only looks, which is a tenth of what a look into /proc costs. */
bool proc_is_thread_of(pid_t tid, pid_t tgid) {
  return syscall(SYS_tgkill, tgid, tid, 0) == 0 || errno == EPERM;
}

/* readlink of /proc/<tid>/<name>, with a NUL. Its length or -errno. */
int proc_readlink(pid_t tid, const char *name, char *target, size_t room) {
  char path[40];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)tid, name);
  ssize_t length = readlink(path, target, room - 1);
  if (length < 0) return -errno;
  if ((size_t)length == room - 1) return -ENAMETOOLONG;
  target[length] = 0;
  return (int)length;
}
