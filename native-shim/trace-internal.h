/* What the files of the tracing engine share. */
#ifndef OUA_TRACE_INTERNAL_H
#define OUA_TRACE_INTERNAL_H

#include "trace.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <time.h>

#define UTSNAME_SIZE 390

enum tracee_state {
  TRACEE_RUNNING,
  TRACEE_NEWBORN,   /* its first stop came before its parent's event; stays stopped until that comes */
  TRACEE_STOPPED,   /* quiesced: its stop is kept in `pending` */
  TRACEE_HELD,      /* at an exec, waiting for a decision */
  TRACEE_LISTENING, /* in a group-stop: only a signal or SIGCONT ends it */
  TRACEE_DEAD,      /* died before its parent's event: remembered so that the event does not revive it */
};

/* A system call at its seccomp stop. */
struct call {
  uint32_t arch; /* AUDIT_ARCH_* */
  uint16_t answer;
  uint8_t pointer_size;
  uint64_t args[6];
};

struct tracee {
  pid_t tid;
  pid_t tgid;
  enum tracee_state state;
  bool born;      /* its parent's event was seen, or it is the command */
  bool armed;
  bool arm_next;  /* on a group's leader: the group is armed from its next exec on */
  bool arming;    /* armed by the exec under way: disarmed again if it fails */
  bool at_exit;   /* the exit of `call` is wanted */
  bool exec_asked;
  bool redirected;
  bool interrupted;
  int32_t stop; /* number of its exec stop */
  int pending;
  int ticks; /* age of a newborn or a dead one */
  uint32_t personality;
  pid_t ns_pid;       /* number in its innermost pid namespace, 0 when not looked up */
  pid_t vfork_parent; /* waits for this one's exec or end */
  bool in_vfork;      /* waits for such a child: cannot stop, and does not run */
  struct call call;
  int program;        /* O_PATH descriptor of what a redirect must lead to, or -1 */
  char *program_name; /* what AT_EXECFN must be */
  struct tracee *next;
};

#define TRACEE_BUCKETS 256

struct run {
  int32_t handle;
  int32_t flags;
  pid_t thread;
  timer_t timer;
  bool has_timer;
  atomic_int woken;
  bool quiesced;
  bool dying;
  pid_t command;
  int start_errors; /* the command writes its errno here when it cannot run, or -1 */
  pid_t main; /* the group given to oua_trace_arm, or 0 */
  int32_t last_stop;
  bool failed; /* out of memory: nothing is decided any more, everything dies */
  bool has_uname;
  uint8_t uname[2 * UTSNAME_SIZE];
  char *hidden_proc;
  size_t tracee_count;
  struct tracee *tracees[TRACEE_BUCKETS];
  struct oua_trace_event *events;
  size_t event_count, event_room;
  bool attention;
  struct oua_trace_counts counts;
};

/* trace-run.c */
struct run *run_of(int32_t handle);
void run_kill(struct run *run);
void run_add_event(struct run *run, struct oua_trace_event event, bool attention);

/* trace-tracee.c */
struct tracee *tracee_find(struct run *run, pid_t tid);
struct tracee *tracee_add(struct run *run, pid_t tid);
void tracee_remove(struct run *run, struct tracee *tracee);
void tracee_forget_exec(struct tracee *tracee);
void tracee_end_vfork(struct run *run, struct tracee *child);
struct tracee *tracee_next(struct run *run, struct tracee *after);
pid_t proc_status_number(pid_t tid, const char *field, bool last);
bool proc_is_thread_of(pid_t tid, pid_t tgid);
int proc_readlink(pid_t tid, const char *name, char *target, size_t room);

/* trace-stop.c */
void stop_handle(struct run *run, pid_t tid, int status);
void stop_process(struct run *run, struct tracee *tracee, int status);
void stop_tick(struct run *run);
void stop_resume(struct tracee *tracee, int signal);

/* trace-answer.c: each takes a call at its seccomp stop, or at its exit, and leaves the tracee stopped */
void answer_uname(struct run *run, struct tracee *tracee);
void answer_readlink(struct run *run, struct tracee *tracee, int64_t result);
void answer_personality(struct tracee *tracee);

/* trace-exec.c */
void exec_stop(struct run *run, struct tracee *tracee);
void exec_done(struct run *run, struct tracee *tracee, pid_t former);
void exec_failed(struct run *run, struct tracee *tracee, int error);

/* trace-memory.c: bytes moved, which may be less than asked, or -errno */
ssize_t memory_read(pid_t tid, uint64_t address, void *bytes, size_t length);
ssize_t memory_write(pid_t tid, uint64_t address, const void *bytes, size_t length);

/* trace-arch.c: all that is special to a machine's registers; 0 or -errno */
int arch_read_call(pid_t tid, struct call *call);
int arch_skip_call(pid_t tid, int64_t result);
int arch_set_result(pid_t tid, int64_t result);
int arch_set_argument(pid_t tid, const struct call *call, int index, uint64_t value);
int arch_stack_pointer(pid_t tid, uint64_t *address);
/* At a syscall-stop: 1 and the result at an exit, 0 at an entry. */
int arch_exit_result(pid_t tid, int64_t *result);
/* Bytes of a pointer of the program that runs now. */
int arch_pointer_size(pid_t tid);

#endif
