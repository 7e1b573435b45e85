/*
 * The tracing engine's outer face. A run belongs to the thread that opened it: ptrace(2) binds tracees to their
 * tracing thread, so that thread makes every call here but oua_trace_wake. A tracee that was killed meanwhile is
 * never an error: calls on it then succeed or say -ESRCH, and its death is in the events.
 */
#ifndef OUA_TRACE_H
#define OUA_TRACE_H

#include "abi.h"

/* Kinds of event that oua_trace_wait hands out; src/tracer/records.ts has the same numbers. */
enum oua_trace_event_kind {
  OUA_TRACE_FORK = 1,         /* other: the child; status: 1 when it is a thread of the same group */
  OUA_TRACE_EXEC = 2,         /* a new program runs; other: parent, status: its stop's number or 0; args: redirected */
  OUA_TRACE_EXEC_FAILED = 3,  /* as EXEC, of those that were held; args: redirected, errno */
  OUA_TRACE_EXIT = 4,         /* a process or thread ended; status: as waitpid gives it, other: its group */
  OUA_TRACE_EXEC_STOP = 5,    /* held until oua_trace_exec_*; other: its group; status: the stop's number, from 1 */
  OUA_TRACE_MISMATCH = 6,     /* another program runs than was decided at stop `status`; its process was killed */
  OUA_TRACE_START_FAILED = 7, /* the command could not be run; status: errno */
  OUA_TRACE_END = 8,          /* no tracee is left */
  OUA_TRACE_CALL = 9,         /* a call that is told is over; other: enum oua_trace_call_flags, status: its result */
  OUA_TRACE_CALL_STOP = 10,   /* held until oua_trace_call_*; other: its group; status: the stop's number, from 1 */
};

/*
 * What happened, followed by strings: each a uint32_t length and its bytes; zeros up to a multiple of eight.
 *
 * EXEC and EXEC_FAILED of an armed process have its path as given, the same made absolute, and argv;
 * EXEC_STOP has the two paths, working directory, root, what a relative path starts from, argv and environment, and as
 * args the parent and the directory descriptor. argv and environment are packed: each word with its NUL.
 *
 * CALL has as args its row and its six arguments, and what the row says is read, in the order of the row's members.
 * What could not be read is empty.
 *
 * CALL_STOP has as args the call's six arguments, and a struct oua_trace_held_call.
 */
struct oua_trace_event {
  uint32_t size; /* of all of it */
  uint32_t kind;
  int32_t tid;
  int32_t other;
  int32_t status;
  uint32_t strings; /* their number */
  int64_t args[7];
};

/* What is done at a stop; src/tracer/row.ts has the same numbers. */
enum oua_trace_answer {
  OUA_ANSWER_NONE = 0,
  OUA_ANSWER_EXECVE = 1,       /* asks: path, argv, environment */
  OUA_ANSWER_EXECVEAT = 2,     /* asks: directory, path, argv, environment, flags */
  OUA_ANSWER_UNAME = 3,        /* struct new_utsname at argument 0 */
  OUA_ANSWER_OLD_UNAME = 4,    /* struct old_utsname at argument 0 */
  OUA_ANSWER_OLDOLD_UNAME = 5, /* struct oldold_utsname at argument 0 */
  OUA_ANSWER_READLINK = 6,     /* at exit: the result at argument 1, its room in argument 2 */
  OUA_ANSWER_READLINKAT = 7,   /* at exit: the result at argument 2, its room in argument 3 */
  OUA_ANSWER_PERSONALITY = 8,  /* at exit: remembered, because uname depends on it */
  OUA_ANSWER_SYSINFO = 9,      /* struct sysinfo at argument 0 */
  OUA_ANSWER_GET_AFFINITY = 10, /* of the thread in argument 0: a mask of argument 1 bytes at argument 2 */
  OUA_ANSWER_SET_AFFINITY = 11, /* the same */
  OUA_ANSWER_TOLD = 12,         /* read at entry as the row says, told at exit */
  /* Asked about when they name a process of the guest: */
  OUA_ANSWER_KILL = 13,        /* in argument 0, or a group, or all */
  OUA_ANSWER_PROCESS = 14,     /* in argument 0 */
  OUA_ANSWER_THREAD = 15,      /* in argument 1 */
  OUA_ANSWER_PRIORITY = 16,    /* in argument 1, by the kind in argument 0: from 0 process, group, user */
  OUA_ANSWER_IO_PRIORITY = 17, /* the same, from 1 */
  OUA_ANSWER_PIDFD_OPEN = 18,  /* in argument 0 */
  OUA_ANSWER_PIDFD = 19,       /* by the descriptor in argument 0 */
  OUA_ANSWER_PIDFD_WAIT = 20,  /* by the descriptor in argument 1 */
  OUA_ANSWER_SECCOMP = 21,     /* noted: the caller is going to have a supervisor */
  OUA_ANSWER_STATFS = 22,   /* at exit: struct statfs at argument 1, whose type is procfs's for our /proc */
  OUA_ANSWER_STATFS64 = 23, /* the same at argument 2 */
};


/* What a held call is. */
struct oua_trace_held_call {
  uint32_t row;
  uint32_t arch;  /* AUDIT_ARCH_* */
  int32_t target; /* the process of the guest that its descriptor stands for, or 0 */
};

/* How a told call is read; src/tracer/told-row.ts has the same numbers. */
enum oua_trace_row_flags {
  OUA_ROW_FOLLOWS = 1,      /* the last name of the first path is followed when it is a link */
  OUA_ROW_OPENS = 2,        /* the result is a descriptor; told is only what may write, with the path it leads to */
  OUA_ROW_BLOCK_FLAGS = 4,  /* the open flags are the first word of the block */
  OUA_ROW_ERRORS = 8,       /* told as well when it fails */
  OUA_ROW_DEADLY = 16,      /* told as well when its caller dies in it */
  OUA_ROW_WORDS = 32,       /* the true arguments are 32-bit words at argument 1 */
  OUA_ROW_PIDFD = 64,       /* argument 0 is a pidfd, told is its process as the host numbers it */
  OUA_ROW_PASSED_ON = 128,  /* of another answer: told when that leaves the call to the kernel */
};

enum oua_trace_call_flags {
  OUA_CALL_CREATED = 1, /* an open made the file */
  OUA_CALL_I386 = 2,
};

/*
 * What the engine knows of a call. A filter's SECCOMP_RET_DATA is the number of its row. From `paths` on: numbers
 * of arguments, -1 for none.
 */
struct oua_trace_row {
  uint8_t answer; /* enum oua_trace_answer */
  uint8_t flags;  /* enum oua_trace_row_flags */
  int8_t paths[2];
  int8_t directories[2]; /* what relative paths start from, -1: the working directory */
  int8_t at_flags;       /* AT_SYMLINK_FOLLOW and AT_SYMLINK_NOFOLLOW, for the first path */
  int8_t open_flags;
  int8_t descriptor; /* its path is told */
  int8_t text;       /* a C string, told as it is */
  int8_t block;      /* bytes; how many is in the argument after this one */
};

struct oua_trace_counts {
  uint64_t stops;
  uint64_t answered;
  uint64_t execs;
  uint64_t forks;
  uint64_t signals;
};

enum oua_trace_flags {
  OUA_TRACE_ARMED = 1,     /* the command itself is armed */
  OUA_TRACE_ASK_EXEC = 2,  /* armed execs are held for a decision */
  OUA_TRACE_TELL_ALL = 4,  /* FORK, EXEC and EXIT events of every process, not only those that need attention */
  OUA_TRACE_TELL_FAILED = 8, /* EXEC_FAILED events also of execs that were not held */
};

/* A new run on the calling thread: its handle. */
OUA_EXPORT int32_t oua_trace_open(int32_t flags);

/* Kills and reaps what is left and forgets the run. -EBUSY: something did not die within two seconds. */
OUA_EXPORT int32_t oua_trace_close(int32_t run);

/* The rows that the command's filter names: struct oua_trace_row[]. */
OUA_EXPORT int32_t oua_trace_set_rows(int32_t run, const uint8_t *rows, int32_t length);

/*
 * Programs, and directories whose programs (packed strings), are asked about: other execs are only told. Without this
 * call every exec is asked about.
 */
OUA_EXPORT int32_t oua_trace_set_asked(int32_t run, const uint8_t *places, int32_t length);

/*
 * uname's answers: four packed struct new_utsname (390 bytes each), as under no special personality, under PER_LINUX32,
 * under UNAME26 and under both.
 */
OUA_EXPORT int32_t oua_trace_set_uname(int32_t run, const uint8_t *names, int32_t length);

/* sysinfo(2)'s answers: a struct sysinfo of 64-bit programs (112 bytes) and one of 32-bit programs (64). */
OUA_EXPORT int32_t oua_trace_set_sysinfo(int32_t run, const uint8_t *info, int32_t length);

/* The CPUs that calls tell of: nr_cpu_ids, and the mask of those online, as long as a mask of the guest's kernel. */
OUA_EXPORT int32_t oua_trace_set_cpus(int32_t run, int32_t ids, const uint8_t *mask, int32_t length);

/* A thread of this process that tracees wait for: it runs where they do. */
OUA_EXPORT int32_t oua_trace_set_server(int32_t run, int32_t thread);

/* Pids and thread ids of the guest's processes (int32_t each): calls that name one are asked about. */
OUA_EXPORT int32_t oua_trace_set_guest_pids(int32_t run, const uint8_t *pids, int32_t length);

/* The directory with the hidden procfs, as tracees see it. -ENAMETOOLONG: more than 128 bytes. */
OUA_EXPORT int32_t oua_trace_set_hidden_proc(int32_t run, const char *directory);

/*
 * Forks and seizes the command, which then installs `filter` (struct sock_filter[]) and executes `file` (a C string).
 * argv and environment are packed: each string with its NUL. cwd may be empty. The command gets a session of its
 * own, default signal dispositions, and no descriptor but the three given. Result: its pid.
 */
OUA_EXPORT int32_t oua_trace_start(int32_t run, const uint8_t *file, const uint8_t *argv, int32_t argv_length,
                                   const uint8_t *environment, int32_t environment_length, const uint8_t *cwd,
                                   int32_t in, int32_t out, int32_t err, const uint8_t *filter,
                                   int32_t filter_length);

/*
 * Drives the tracees until an event needs attention, oua_trace_wake is called or the time is over, and copies
 * events into `bytes`. An event that does not fit goes on with the next call. Result: bytes.
 */
OUA_EXPORT int32_t oua_trace_wait(int32_t run, uint8_t *bytes, int32_t length, int32_t milliseconds);

/* Makes oua_trace_wait return early. Any thread may call it; a run that is gone is -ESRCH. */
OUA_EXPORT int32_t oua_trace_wake(int32_t run);

/* Arms a thread group from its next exec on. -ESRCH: no tracee. */
OUA_EXPORT int32_t oua_trace_arm(int32_t run, int32_t pid);

/*
 * Stops every tracee and keeps it stopped until oua_trace_release. The next oua_trace_wait returns at once, with what has
 * happened so far: then every tracee's birth is told. Result: how many did not stop in time.
 */
OUA_EXPORT int32_t oua_trace_quiesce(int32_t run, int32_t milliseconds);
OUA_EXPORT int32_t oua_trace_release(int32_t run);

/* SIGKILL for every tracee, now and as they appear. Their ends arrive as events. */
OUA_EXPORT int32_t oua_trace_kill(int32_t run);

/* Thread group ids of the tracees as int32_t. Result: how many there are, perhaps more than fit. */
OUA_EXPORT int32_t oua_trace_list(int32_t run, uint8_t *pids, int32_t length);

OUA_EXPORT int32_t oua_trace_read_counts(int32_t run, uint8_t *counts, int32_t length);

/*
 * Decisions on the held exec stop of that number; -ESRCH when the tracee no longer stands there. Redirecting writes
 * `path` (packed, with its NUL) and `argv` (packed) below the tracee's stack; an empty one stays as it was. What then
 * runs must be the very file at `path`.
 */
OUA_EXPORT int32_t oua_trace_exec_continue(int32_t run, int32_t tid, int32_t stop);
OUA_EXPORT int32_t oua_trace_exec_redirect(int32_t run, int32_t tid, int32_t stop, const uint8_t *path, int32_t length,
                                           const uint8_t *argv, int32_t argv_length);
OUA_EXPORT int32_t oua_trace_exec_fail(int32_t run, int32_t tid, int32_t stop, int32_t error);

/*
 * Decisions on the held call of that number; -ESRCH when the tracee no longer stands there. An answer first writes bytes
 * where that argument points; when it cannot, the call's result is -EFAULT. A stand-in makes the call return a
 * descriptor that later calls know as that process of the guest; `flags` as signalfd4(2) takes them.
 */
OUA_EXPORT int32_t oua_trace_call_continue(int32_t run, int32_t tid, int32_t stop);
OUA_EXPORT int32_t oua_trace_call_answer(int32_t run, int32_t tid, int32_t stop, int64_t result, int32_t argument,
                                         const uint8_t *bytes, int32_t length);
OUA_EXPORT int32_t oua_trace_call_stand_in(int32_t run, int32_t tid, int32_t stop, int32_t pid, int32_t flags);

/* Memory of a tracee that is held. Any thread may call it. Result: bytes, perhaps fewer; -EFAULT; -ESRCH. */
OUA_EXPORT int32_t oua_trace_read_memory(int32_t tid, int64_t address, uint8_t *bytes, int32_t length);

/*
 * Opens a regular file for reading, `path` (a C string) resolved as the tracee would inside its own root, without
 * magic links. Result: a descriptor (close-on-exec); -ENOENT and the like; -EINVAL when it is no regular file.
 */
OUA_EXPORT int32_t oua_trace_open_program(int32_t tid, const uint8_t *path);

/* pipe2(2) with close-on-exec: two int32_t, the end to read and the end to write. */
OUA_EXPORT int32_t oua_pipe(uint8_t *ends, int32_t length);

#endif
