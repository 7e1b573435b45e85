/* What the files of the tracing engine share. */
#ifndef OUA_TRACE_INTERNAL_H
#define OUA_TRACE_INTERNAL_H

#include "trace.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <time.h>

#define UTSNAME_SIZE 390
/* As packed: plain, under PER_LINUX32, under UNAME26, under both. */
#define UTSNAME_VARIANTS 4
#define HIDDEN_PROC_MAX 128
/* "/<pid>/root", and a byte by which a longer name is told from it. */
#define BELOW_HIDDEN_MAX 17
#define SYSINFO_SIZE 112       /* struct sysinfo, linux/sysinfo.h */
#define COMPAT_SYSINFO_SIZE 64 /* struct compat_sysinfo, kernel/sys.c */

struct sock_filter;

enum tracee_state {
  TRACEE_RUNNING,
  TRACEE_NEWBORN,   /* its first stop came before its parent's event; stays stopped until that comes */
  TRACEE_STOPPED,   /* quiesced: its stop is kept in `pending` */
  TRACEE_HELD,      /* at an exec or another call, waiting for a decision */
  TRACEE_LISTENING, /* in a group-stop: only a signal or SIGCONT ends it */
  TRACEE_DEAD,      /* died before its parent's event: remembered so that the event does not revive it */
};

/* A system call at its seccomp stop. */
struct call {
  uint32_t arch; /* AUDIT_ARCH_* */
  int32_t number;
  uint16_t row;
  uint8_t answer; /* of its row */
  uint8_t pointer_size;
  uint64_t args[6];
};

/* An event being put together. Out of memory shows when it is added. */
struct record {
  uint8_t *bytes; /* begins with a struct oua_trace_event */
  size_t length, room;
};

/* An exec from its seccomp stop to the new program or the failure. */
struct exec {
  int32_t stop;
  bool held; /* its outcome is told, whatever it is */
  bool changed; /* its arguments are not those that the tracee gave */
  bool redirected;
  int program;          /* O_PATH descriptor of what a redirect must lead to, or -1 */
  char *name;           /* what AT_EXECFN must be */
  struct record record; /* the EXEC or EXEC_FAILED to be */
};

struct named {
  char path[PATH_MAX]; /* as given */
  uint64_t address;
  int directory; /* AT_FDCWD or a descriptor */
};

/* A told call from its entry to its exit: what was read of the tracee's memory. */
struct told {
  bool readable[2];
  struct named paths[2];
  struct named text;
  uint8_t block[128]; /* a struct sockaddr_storage; an open_how is shorter */
  size_t block_length;
  bool created; /* an open is going to make its file */
};

struct tracee {
  struct run *run;
  pid_t tid;
  pid_t tgid;
  pid_t parent; /* group that made this one */
  enum tracee_state state;
  bool born;      /* its parent's event was seen, or it is the command */
  bool armed;
  bool arm_next;  /* on a group's leader: the group is armed from its next exec on */
  bool arming;    /* armed by the exec under way: disarmed again if it fails */
  bool at_exit;   /* the exit of `call` is wanted */
  bool interrupted;
  bool over; /* a leader that ended before its threads: nothing is heard of it, and no stop, until they end or execute */
  int pending;
  int ticks; /* age of a newborn or a dead one */
  uint32_t personality;
  pid_t ns_pid;       /* its group's number in its innermost pid namespace, 0 when not looked up */
  pid_t ns_tid;       /* the same of the thread itself */
  uint8_t *affinity;  /* the CPUs that it chose among the guest's, or NULL for all */
  pid_t vfork_parent; /* waits for this one's exec or end */
  bool in_vfork;      /* waits for such a child: cannot stop, and does not run */
  struct call call;
  struct told *told; /* the last told call, or NULL */
  struct exec *exec;  /* under way, or NULL */
  uint64_t aside;     /* where a readlink that is under way has its buffer instead of its own, or 0 */
  uint8_t put_aside[HIDDEN_PROC_MAX + BELOW_HIDDEN_MAX]; /* what lay there */
  int32_t call_stop;  /* number of the stop at which its call is held, or 0 */
  struct tracee *next;
};

#define TRACEE_BUCKETS 256

/* Events on their way out: a queue of bytes. */
struct events {
  uint8_t *bytes;
  size_t start, length, room;
};

/* Whether tracer and tracees take turns on one CPU. */
struct cpu_sharing {
  int loadavg;   /* /proc/loadavg, or -1: never */
  int main_stat; /* /proc/<pid>/stat of our own main thread, or -1 */
  unsigned stops, stops_before;
  bool often; /* many stops in the last tick */
  int score;
  bool together;
  cpu_set_t all, here;
};

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
  bool supervised; /* somewhere a supervisor may let execs start unseen */
  bool failed; /* out of memory: nothing is decided any more, everything dies */
  bool has_uname;
  uint8_t uname[UTSNAME_VARIANTS * UTSNAME_SIZE];
  bool has_sysinfo;
  uint8_t sysinfo[SYSINFO_SIZE + COMPAT_SYSINFO_SIZE];
  uint32_t cpu_ids; /* the guest kernel's nr_cpu_ids */
  uint8_t *cpus;    /* its online CPUs, as many bytes as its cpumask has, or NULL */
  size_t cpus_size;
  struct cpu_sharing sharing;
  pid_t server; /* our thread that serves the tracees' /proc, or 0 */
  char *hidden_proc;
  size_t tracee_count;
  struct tracee *tracees[TRACEE_BUCKETS];
  struct oua_trace_row *rows;
  size_t row_count;
  struct sock_filter *filter; /* as the command installed it */
  size_t filter_length;
  int32_t *guest_pids; /* sorted, or NULL: no call is asked about */
  size_t guest_pid_count;
  char **asked; /* directories whose programs are asked about, or NULL for all */
  struct events events;
  bool attention; /* what lies in `events` should not wait */
  struct oua_trace_counts counts;
};

/* trace-run.c */
struct run *run_of(int32_t handle);
void run_kill(struct run *run);

/* trace-event.c */
void event_begin(struct record *record, const struct oua_trace_event *event);
void event_add_string(struct record *record, const void *bytes, size_t length);
/* A NULL-terminated array of strings of the tracee's, packed. 0 or -errno. */
int event_add_strings(struct record *record, pid_t tid, uint64_t address, int pointer_size);
struct oua_trace_event *event_of(struct record *record);
/* Hands it on and leaves an empty record. */
void event_send(struct run *run, struct record *record, bool attention);
void event_tell(struct run *run, struct oua_trace_event event, bool attention);
int32_t event_take(struct run *run, uint8_t *bytes, int32_t length);
void event_free(struct record *record);

/* trace-path.c */
struct place {
  char path[PATH_MAX]; /* as given */
  char root[PATH_MAX];
  char base[PATH_MAX];         /* what a relative path starts from; for an empty path: the file itself */
  char absolute[2 * PATH_MAX]; /* resolved by name alone */
};
/* 0, or the -errno that the kernel is going to give, or -ESRCH. */
int place_read(struct place *place, pid_t tid, uint64_t path, int directory);
bool path_is_within(const char *path, char *const *directories);

/* trace-root.c */
/* An O_PATH descriptor for a path of the tracee's, absolute and resolved inside its root, never ours, or -errno. */
int open_in_root(pid_t tid, const char *path, uint64_t resolve);
/* Reads a path at `address`; a null pointer is an empty path. 0 or -errno. */
int named_read(struct named *named, pid_t tid, uint64_t address, int directory);
/*
 * Where it truly is from the top of the mount namespace, links resolved, but for the last name unless `follow`. What
 * cannot be looked at is made absolute by name. 0 or -errno.
 */
int named_locate(const struct named *named, pid_t tid, bool follow, char *result, size_t room);
bool named_exists(const struct named *named, pid_t tid);

/* trace-told.c: both leave the tracee stopped */
void told_begin(struct run *run, struct tracee *tracee);
/* For a call that another answer leaves to the kernel. */
void told_passed_on(struct run *run, struct tracee *tracee);
void told_end(struct run *run, struct tracee *tracee, int64_t result);
/* The tracee died in it. */
void told_last(struct run *run, struct tracee *tracee);

/* trace-start.c: packed strings → a NULL-terminated array of pointers into them, or NULL */
char **unpack_strings(const uint8_t *packed, int32_t length);

/* trace-filter.c: 0 or -errno */
int filter_keep(struct run *run, const struct sock_filter *program, size_t length);
/* Whether a stop at this call is our filter's doing, and its row therefore ours. */
bool filter_named(const struct run *run, const struct call *call);

/* trace-tracee.c */
struct tracee *tracee_find(struct run *run, pid_t tid);
struct tracee *tracee_add(struct run *run, pid_t tid);
void tracee_remove(struct run *run, struct tracee *tracee);
void tracee_forget_exec(struct tracee *tracee);
void tracee_end_vfork(struct run *run, struct tracee *child);
struct tracee *tracee_next(struct run *run, struct tracee *after);
pid_t proc_number(pid_t tid, const char *name, const char *field, bool last);
pid_t proc_status_number(pid_t tid, const char *field, bool last);
bool proc_is_zombie(pid_t tid);
bool proc_is_thread_of(pid_t tid, pid_t tgid);
int proc_readlink(pid_t tid, const char *name, char *target, size_t room);

/* trace-stop.c */
void stop_handle(struct run *run, pid_t tid, int status);
void stop_process(struct run *run, struct tracee *tracee, int status);
void stop_tick(struct run *run);
/* When all that is known stands still: who is new then and was not told of has no parent that could. They stay stopped. */
void stop_adopt_orphans(struct run *run);
void stop_resume(struct tracee *tracee, int signal);

/* trace-answer.c: each takes a call at its seccomp stop, or at its exit, and leaves the tracee stopped */
void answer_uname(struct run *run, struct tracee *tracee);
void answer_personality(struct tracee *tracee);
void answer_statfs(struct run *run, struct tracee *tracee, int64_t result);

/* trace-readlink.c: at the call's entry, if there is a hidden procfs, and at its exit */
void readlink_begin(struct run *run, struct tracee *tracee);
void readlink_end(struct run *run, struct tracee *tracee, int64_t result);

/* trace-machine.c: the same */
void answer_sysinfo(struct run *run, struct tracee *tracee);
/* False when the call names no tracee. */
bool answer_affinity(struct run *run, struct tracee *tracee);
/* False when out of memory. */
bool affinity_inherit(const struct run *run, const struct tracee *parent, struct tracee *child);

/* trace-call.c */
/* Whether the call is held now for a decision. */
bool call_stop(struct run *run, struct tracee *tracee);

/* trace-cpu.c: called where the name says; `close` while the tracees are still known */
void cpu_open(struct run *run);
void cpu_close(struct run *run);
void cpu_resume(struct run *run);
void cpu_tick(struct run *run);
void cpu_birth(struct tracee *child);

/* trace-pid.c */
/* The group that a reader's pid namespace numbers so, most often the reader's own, or 0. */
pid_t pid_on_host(struct run *run, struct tracee *reader, pid_t ns_pid);
/* The thread that a number of the caller's pid namespace means; 0 is the caller itself. */
struct tracee *pid_tracee(struct run *run, struct tracee *caller, pid_t number);

/* trace-exec.c */
void exec_free(struct exec *exec);
void exec_stop(struct run *run, struct tracee *tracee);
/* At the new program: done with the thread that made the call, and with a parent that waited. False: it is dead by now. */
bool exec_settle(struct run *run, struct tracee *tracee);
/* The rest, after that. */
void exec_done(struct run *run, struct tracee *tracee);
/* The caller is going to have a supervisor, to whom its filter hands execs instead of to us. */
void exec_supervised(struct run *run, struct tracee *tracee);
void exec_failed(struct run *run, struct tracee *tracee, int error);

/* trace-memory.c: bytes moved, which may be less than asked, or -errno */
ssize_t memory_read(pid_t tid, uint64_t address, void *bytes, size_t length);
ssize_t memory_write(pid_t tid, uint64_t address, const void *bytes, size_t length);
/* A C string with its NUL. Result: its bytes; -ENAMETOOLONG: more than `length`; -EFAULT. */
int32_t memory_read_string(pid_t tid, uint64_t address, uint8_t *bytes, int32_t length);
/*
 * A NULL-terminated array of string pointers, packed, each string with its NUL. A null array is empty. Result:
 * bytes; -E2BIG: more than `length`; -EFAULT.
 */
int32_t memory_read_strings(pid_t tid, uint64_t address, int pointer_size, uint8_t *bytes, int32_t length);

/* trace-arch.c; 0 or -errno, as all below */
int arch_read_call(pid_t tid, struct call *call);
/* At a syscall-stop: 1 and the result at an exit, 0 at an entry. */
int arch_exit_result(pid_t tid, int64_t *result);

/* trace-arch-<machine>.c: all that is special to a machine's registers and calling convention */
int arch_skip_call(pid_t tid, int64_t result);
int arch_set_result(pid_t tid, int64_t result);
/* At an entry. */
int arch_set_argument(pid_t tid, const struct call *call, int index, uint64_t value);
/* Makes the call a signalfd4(2) of the same ABI; its arguments are set apart. */
int arch_become_signalfd4(pid_t tid, const struct call *call);
/* At an exit: a call that the kernel makes again begins with the tracee's own arguments. */
int arch_restore_arguments(pid_t tid, const struct call *call);
/* The end of what lies unused below the tracee's stack. */
int arch_free_stack(pid_t tid, uint64_t *address);
int arch_stack_pointer(pid_t tid, uint64_t *address);
/* Bytes of a pointer: of the program that runs now, and of a call by its AUDIT_ARCH_* and number. */
int arch_pointer_size(pid_t tid);
int arch_call_pointer_size(uint32_t arch, uint64_t number);

#endif
