/* Execs: held for a decision, let go on or redirected, and checked once the new program is in place. */
#include "trace-internal.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RED_ZONE 128u
#define OPEN_TRIES 64

void exec_stop(struct run *run, struct tracee *tracee) {
  const struct call *call = &tracee->call;
  bool at = call->answer == OUA_ANSWER_EXECVEAT;
  const uint64_t *args = call->args + (at ? 1 : 0);
  tracee->state = TRACEE_HELD;
  tracee->stop = ++run->last_stop;
  run_add_event(run,
                (struct oua_trace_event){
                    .kind = OUA_TRACE_EXEC_STOP,
                    .tid = tracee->tid,
                    .other = tracee->tgid,
                    .status = tracee->stop,
                    .args = {args[0], args[1], args[2], at ? (uint32_t)call->args[0] : (uint32_t)AT_FDCWD,
                             at ? call->args[4] : 0, call->pointer_size},
                },
                true);
}

static struct tracee *held(int32_t handle, int32_t tid, int32_t stop) {
  struct run *run = run_of(handle);
  struct tracee *tracee = run ? tracee_find(run, tid) : NULL;
  return tracee && tracee->state == TRACEE_HELD && tracee->stop == stop ? tracee : NULL;
}

static bool is_gone(pid_t tid) {
  unsigned long message;
  return ptrace(PTRACE_GETEVENTMSG, tid, NULL, &message) < 0 && errno == ESRCH;
}

/* Lets the exec go; its exit is wanted, because only that tells of a failure. */
static void go(struct tracee *tracee) {
  tracee->exec_asked = tracee->at_exit = true;
  stop_resume(tracee, 0);
}

static char *copy_name(const uint8_t *name, int32_t length) {
  return length > 0 && name[length - 1] == 0 ? strdup((const char *)name) : NULL;
}

int32_t oua_trace_exec_continue(int32_t handle, int32_t tid, int32_t stop, const uint8_t *name,
                                int32_t length) {
  struct tracee *tracee = held(handle, tid, stop);
  if (!tracee) return -ESRCH;
  tracee->program_name = copy_name(name, length);
  if (!tracee->program_name) return -EINVAL;
  go(tracee);
  return 0;
}

/* A path of the tracee's, resolved inside its root, never ours. */
static int open_in_root(pid_t tid, const char *path, uint64_t resolve) {
  char root[32];
  struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | resolve};
  snprintf(root, sizeof root, "/proc/%d/root", (int)tid);
  int directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;
  if (directory < 0) return -errno;
  /* EAGAIN: something was renamed meanwhile, which a hostile guest could go on doing for ever. */
  int tries = 0;
  do fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
  while (fd < 0 && (errno == EINTR || errno == EAGAIN) && ++tries < OPEN_TRIES);
  int error = fd < 0 ? -errno : 0;
  close(directory);
  return error ? error : fd;
}

static int aim_at(struct tracee *tracee, const uint8_t *path, int32_t length) {
  uint64_t stack;
  int error = arch_stack_pointer(tracee->tid, &stack);
  if (error) return error;
  uint64_t address = (stack - RED_ZONE - (uint64_t)length) & ~(uint64_t)15;
  ssize_t written = memory_write(tracee->tid, address, path, (size_t)length);
  if (written != length) return written < 0 ? (int)written : -EFAULT;
  bool at = tracee->call.answer == OUA_ANSWER_EXECVEAT;
  error = arch_set_argument(tracee->tid, &tracee->call, at ? 1 : 0, address);
  if (!error && at) error = arch_set_argument(tracee->tid, &tracee->call, 0, (uint64_t)(int64_t)AT_FDCWD);
  if (!error && at) error = arch_set_argument(tracee->tid, &tracee->call, 4, 0);
  return error;
}

static int redirect(struct tracee *tracee, const uint8_t *path, int32_t length) {
  tracee->program_name = copy_name(path, length);
  if (!tracee->program_name) return -EINVAL;
  tracee->program = open_in_root(tracee->tid, tracee->program_name, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
  return tracee->program < 0 ? tracee->program : aim_at(tracee, path, length);
}

int32_t oua_trace_exec_redirect(int32_t handle, int32_t tid, int32_t stop, const uint8_t *path,
                                int32_t length) {
  struct tracee *tracee = held(handle, tid, stop);
  if (!tracee) return -ESRCH;
  int error = redirect(tracee, path, length);
  /* Of one that was killed meanwhile, by another thread's exec for one, anything may be missing. */
  if (error) return is_gone(tid) ? -ESRCH : error;
  tracee->redirected = true;
  go(tracee);
  return 0;
}

int32_t oua_trace_exec_fail(int32_t handle, int32_t tid, int32_t stop, int32_t failure) {
  struct tracee *tracee = held(handle, tid, stop);
  if (!tracee) return -ESRCH;
  if (tracee->arming) tracee->armed = false;
  tracee_forget_exec(tracee);
  int error = arch_skip_call(tid, -failure);
  if (error) return error;
  stop_resume(tracee, 0);
  return 0;
}

/* The name that the kernel itself used, from the auxiliary vector of the new program. */
static bool name_is(pid_t tid, const char *expected) {
  char path[32];
  uint8_t vector[1024], name[4096 + 32];
  snprintf(path, sizeof path, "/proc/%d/auxv", (int)tid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t length = read(fd, vector, sizeof vector);
  close(fd);
  int size = arch_pointer_size(tid);
  if (size < 0) return false;
  for (ssize_t at = 0; at + 2 * size <= length; at += 2 * size) {
    uint64_t type = 0, value = 0;
    memcpy(&type, vector + at, (size_t)size);
    memcpy(&value, vector + at + size, (size_t)size);
    if (type != AT_EXECFN) continue;
    return oua_trace_read_string(tid, (int64_t)value, name, sizeof name) > 0 &&
           strcmp((char *)name, expected) == 0;
  }
  return false;
}

static bool program_is(pid_t tid, int program) {
  char path[32];
  struct stat runs, decided;
  snprintf(path, sizeof path, "/proc/%d/exe", (int)tid);
  return stat(path, &runs) == 0 && fstat(program, &decided) == 0 && runs.st_dev == decided.st_dev &&
         runs.st_ino == decided.st_ino;
}

/* After an exec by another thread than the leader, that thread lives on under the leader's number. */
static void take_over(struct run *run, struct tracee *leader, struct tracee *former) {
  tracee_forget_exec(leader);
  leader->armed = former->armed;
  leader->call = former->call;
  leader->personality = former->personality;
  leader->exec_asked = former->exec_asked;
  leader->redirected = former->redirected;
  leader->stop = former->stop;
  leader->program = former->program;
  leader->program_name = former->program_name;
  former->program = -1;
  former->program_name = NULL;
  tracee_remove(run, former);
}

void exec_done(struct run *run, struct tracee *tracee, pid_t former_tid) {
  struct tracee *former = former_tid == tracee->tid ? NULL : tracee_find(run, former_tid);
  if (former) take_over(run, tracee, former);
  tracee_end_vfork(run, tracee);
  /* It may have been named while this call was under way already. */
  if (tracee->arm_next) tracee->armed = true;
  tracee->at_exit = tracee->arm_next = tracee->arming = tracee->in_vfork = false;
  tracee->tgid = tracee->tid;
  tracee->ns_pid = 0;
  if (tracee->tid == run->command && run->start_errors >= 0) {
    close(run->start_errors);
    run->start_errors = -1;
  }
  bool right = !tracee->exec_asked || ((!tracee->redirected || program_is(tracee->tid, tracee->program)) &&
                                       name_is(tracee->tid, tracee->program_name));
  struct oua_trace_event event = {.kind = OUA_TRACE_EXEC,
                                  .tid = tracee->tid,
                                  .status = tracee->exec_asked ? tracee->stop : 0,
                                  .other = tracee->redirected};
  if (!right && !is_gone(tracee->tid)) {
    event.kind = OUA_TRACE_MISMATCH;
    syscall(SYS_tkill, tracee->tid, SIGKILL);
    run_add_event(run, event, true);
  } else if (run->flags & OUA_TRACE_TELL_ALL) {
    run_add_event(run, event, false);
  }
  tracee_forget_exec(tracee);
}

void exec_failed(struct run *run, struct tracee *tracee, int error) {
  if (tracee->redirected) {
    /* A call that the kernel makes again must begin with the tracee's own arguments. */
    for (int i = 0; i < 5; i++) arch_set_argument(tracee->tid, &tracee->call, i, tracee->call.args[i]);
  }
  if (tracee->arming) tracee->armed = false;
  if (tracee->exec_asked)
    run_add_event(run,
                  (struct oua_trace_event){.kind = OUA_TRACE_EXEC_FAILED,
                                           .tid = tracee->tid,
                                           .other = tracee->tgid,
                                           .status = tracee->stop,
                                           .args = {(uint64_t)error, tracee->redirected}},
                  tracee->redirected);
  tracee_forget_exec(tracee);
}

int32_t oua_trace_open_program(int32_t tid, const uint8_t *path) {
  int found = open_in_root(tid, (const char *)path, RESOLVE_NO_MAGICLINKS);
  if (found < 0) return found;
  /* Looked at before it is opened: opening a device or a pipe does things. */
  struct stat status;
  char name[40];
  int error = fstat(found, &status) < 0 ? -errno : S_ISREG(status.st_mode) ? 0 : -EINVAL, fd = -1;
  if (!error) {
    snprintf(name, sizeof name, "/proc/self/fd/%d", found);
    fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) error = -errno;
  }
  close(found);
  return error ? error : fd;
}
