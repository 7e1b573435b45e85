/* Which tracee a number means: programs speak in their own pid namespace's numbers. */
#include "trace-internal.h"

#include <string.h>

static pid_t ns_pid_of(struct tracee *tracee) {
  if (tracee->ns_pid == 0) tracee->ns_pid = proc_status_number(tracee->tgid, "NSpid", true);
  return tracee->ns_pid;
}

static pid_t ns_tid_of(struct tracee *tracee) {
  if (tracee->ns_tid == 0) tracee->ns_tid = proc_status_number(tracee->tid, "NSpid", true);
  return tracee->ns_tid;
}

/* Only within one namespace do equal numbers mean the same process. */
static bool same_pid_namespace(pid_t one, pid_t other) {
  char a[64], b[64];
  return proc_readlink(one, "ns/pid", a, sizeof a) > 0 && proc_readlink(other, "ns/pid", b, sizeof b) > 0 &&
         strcmp(a, b) == 0;
}

pid_t pid_on_host(struct run *run, struct tracee *reader, pid_t ns_pid) {
  if (ns_pid_of(reader) == ns_pid) return reader->tgid;
  for (struct tracee *other = NULL; (other = tracee_next(run, other));)
    if (other->tid == other->tgid && other->born && ns_pid_of(other) == ns_pid &&
        same_pid_namespace(reader->tgid, other->tgid))
      return other->tgid;
  return 0;
}

struct tracee *pid_tracee(struct run *run, struct tracee *caller, pid_t number) {
  if (number == 0 || ns_tid_of(caller) == number) return caller;
  for (struct tracee *other = NULL; (other = tracee_next(run, other));)
    if (other->state != TRACEE_DEAD && ns_tid_of(other) == number && same_pid_namespace(caller->tid, other->tid))
      return other;
  return NULL;
}
