/* Calls that name a process of the guest: held until a handler decides. A process of our own goes to the kernel. */
#include "trace-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A descriptor that stands for a process of the guest is a signalfd, because that keeps a number through dup, fork,
 * exec and a socket, and /proc shows it: nine bits that tell it from others and the pid, all in the bits of
 * real-time signals, which are never pending in practice.
 */
#define STAND_IN_MARK 0x16bull
#define STAND_IN_MARK_SHIFT 55
#define STAND_IN_PID_SHIFT 33
#define STAND_IN_PID_BITS 22

static uint64_t stand_in_mask(int32_t pid) {
  return STAND_IN_MARK << STAND_IN_MARK_SHIFT | (uint64_t)pid << STAND_IN_PID_SHIFT;
}

/* The pid that a descriptor of the thread's stands for, or 0. */
static int32_t stand_in_pid(pid_t tid, int32_t descriptor) {
  char name[32], text[64], path[64];
  snprintf(name, sizeof name, "fd/%d", (int)descriptor);
  if (proc_readlink(tid, name, text, sizeof text) <= 0 || strcmp(text, "anon_inode:[signalfd]") != 0) return 0;
  snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)tid, (int)descriptor);
  FILE *file = fopen(path, "re");
  if (!file) return 0;
  uint64_t mask = 0;
  while (fgets(text, sizeof text, file))
    if (strncmp(text, "sigmask:", 8) == 0) mask = strtoull(text + 8, NULL, 16);
  fclose(file);
  int32_t pid = (int32_t)(mask >> STAND_IN_PID_SHIFT & ((1u << STAND_IN_PID_BITS) - 1));
  return mask == stand_in_mask(pid) ? pid : 0;
}

static int compare(const void *a, const void *b) {
  int32_t one = *(const int32_t *)a, other = *(const int32_t *)b;
  return (one > other) - (one < other);
}

static bool is_guests(struct run *run, struct tracee *caller, int32_t pid) {
  if (pid <= 0 || !bsearch(&pid, run->guest_pids, run->guest_pid_count, sizeof pid, compare)) return false;
  struct tracee *ours = pid_tracee(run, caller, pid);
  /* The sandbox's first process stands for the guest's, but for itself. */
  return !ours || (pid == 1 && ours->tgid != caller->tgid);
}

/* What getpriority(2) and ioprio_get(2) take: a process, a group or a user, counted from `first`. */
static bool names_some(struct run *run, struct tracee *caller, int32_t first) {
  int32_t kind = (int32_t)caller->call.args[0] - first;
  return kind == 0 ? is_guests(run, caller, (int32_t)caller->call.args[1]) : kind == 1 || kind == 2;
}

/* Whether a call may be about the guest's processes; `target` is what a descriptor stands for. */
static bool is_about_guest(struct run *run, struct tracee *tracee, int32_t *target) {
  const uint64_t *args = tracee->call.args;
  switch ((enum oua_trace_answer)tracee->call.answer) {
  case OUA_ANSWER_KILL:
    return (int32_t)args[0] < 0 || is_guests(run, tracee, (int32_t)args[0]);
  case OUA_ANSWER_GET_AFFINITY:
  case OUA_ANSWER_SET_AFFINITY:
  case OUA_ANSWER_PROCESS:
  case OUA_ANSWER_PIDFD_OPEN:
    return is_guests(run, tracee, (int32_t)args[0]);
  case OUA_ANSWER_THREAD:
    return is_guests(run, tracee, (int32_t)args[1]);
  case OUA_ANSWER_PRIORITY:
    return names_some(run, tracee, 0);
  case OUA_ANSWER_IO_PRIORITY:
    return names_some(run, tracee, 1);
  case OUA_ANSWER_PIDFD:
    return (*target = stand_in_pid(tracee->tid, (int32_t)args[0])) != 0;
  case OUA_ANSWER_PIDFD_WAIT:
    return (*target = stand_in_pid(tracee->tid, (int32_t)args[1])) != 0;
  default:
    return false;
  }
}

bool call_stop(struct run *run, struct tracee *tracee) {
  struct oua_trace_held_call about = {.row = tracee->call.row, .arch = tracee->call.arch};
  if (!run->guest_pids || !is_about_guest(run, tracee, &about.target)) return false;
  struct oua_trace_event event = {.kind = OUA_TRACE_CALL_STOP,
                                  .tid = tracee->tid,
                                  .other = tracee->tgid,
                                  .status = tracee->call_stop = ++run->last_stop};
  for (int i = 0; i < 6; i++) event.args[i] = (int64_t)tracee->call.args[i];
  struct record record;
  event_begin(&record, &event);
  event_add_string(&record, &about, sizeof about);
  tracee->state = TRACEE_HELD;
  event_send(run, &record, true);
  return true;
}

static struct tracee *held(int32_t handle, int32_t tid, int32_t stop) {
  struct run *run = run_of(handle);
  struct tracee *tracee = run ? tracee_find(run, tid) : NULL;
  return tracee && tracee->state == TRACEE_HELD && tracee->call_stop == stop ? tracee : NULL;
}

int32_t oua_trace_call_continue(int32_t handle, int32_t tid, int32_t stop) {
  struct tracee *tracee = held(handle, tid, stop);
  if (!tracee) return -ESRCH;
  told_passed_on(run_of(handle), tracee);
  stop_resume(tracee, 0);
  return 0;
}

int32_t oua_trace_call_answer(int32_t handle, int32_t tid, int32_t stop, int64_t result, int32_t argument,
                              const uint8_t *bytes, int32_t length) {
  struct tracee *tracee = held(handle, tid, stop);
  if (!tracee) return -ESRCH;
  if (length < 0 || argument < 0 || argument > 5) return -EINVAL;
  if (length > 0 && memory_write(tracee->tid, tracee->call.args[argument], bytes, (size_t)length) != length)
    result = -EFAULT;
  int error = arch_skip_call(tracee->tid, result);
  stop_resume(tracee, 0);
  return error;
}

/* Makes the call a signalfd4(2), whose mask lies below the caller's stack for as long. */
static int make_stand_in(struct tracee *tracee, int32_t pid, int32_t flags) {
  uint64_t end, mask = stand_in_mask(pid);
  int error = arch_free_stack(tracee->tid, &end);
  if (error) return error;
  uint64_t address = (end - sizeof mask) & ~(uint64_t)15;
  if (memory_write(tracee->tid, address, &mask, sizeof mask) != sizeof mask) return -ENOMEM;
  const uint64_t args[] = {UINT64_MAX, address, sizeof mask, (uint64_t)flags};
  for (int i = 0; !error && i < 4; i++) error = arch_set_argument(tracee->tid, &tracee->call, i, args[i]);
  return error ? error : arch_become_signalfd4(tracee->tid, &tracee->call);
}

int32_t oua_trace_call_stand_in(int32_t handle, int32_t tid, int32_t stop, int32_t pid, int32_t flags) {
  struct tracee *tracee = held(handle, tid, stop);
  if (!tracee) return -ESRCH;
  if (pid <= 0 || pid >> STAND_IN_PID_BITS) return -EINVAL;
  int error = make_stand_in(tracee, pid, flags);
  if (error == -ENOMEM) error = arch_skip_call(tracee->tid, error);
  else tracee->at_exit = true;
  stop_resume(tracee, 0);
  return error;
}

int32_t oua_trace_read_memory(int32_t tid, int64_t address, uint8_t *bytes, int32_t length) {
  return length < 0 ? -EINVAL : (int32_t)memory_read(tid, (uint64_t)address, bytes, (size_t)length);
}

int32_t oua_trace_set_guest_pids(int32_t handle, const uint8_t *pids, int32_t length) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  if (length <= 0 || (size_t)length % sizeof(int32_t) != 0 || run->guest_pids) return -EINVAL;
  run->guest_pids = malloc((size_t)length);
  if (!run->guest_pids) return -ENOMEM;
  memcpy(run->guest_pids, pids, (size_t)length);
  run->guest_pid_count = (size_t)length / sizeof(int32_t);
  qsort(run->guest_pids, run->guest_pid_count, sizeof(int32_t), compare);
  return 0;
}
