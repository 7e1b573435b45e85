/* From a raw wait status to what is done about it. */
#include "trace-internal.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ticks after which a child whose parent never told of it is taken in by what /proc says. */
#define PATIENCE_TICKS 5
/* A stop after which its tracee just goes on. */
#define NOTHING_LEFT (PTRACE_EVENT_STOP << 16 | W_STOPCODE(SIGTRAP))

/* Every way in which a seized tracee can stop, ptrace(2). */
enum stop_kind {
  STOP_SECCOMP, /* before a call that the filter names */
  STOP_BIRTH,   /* the parent's side of fork, vfork or clone */
  STOP_EXEC,    /* a new program is in place, none of its instructions has run */
  STOP_GROUP,   /* job control: the whole group stands */
  STOP_TRAP,    /* a child's first stop, PTRACE_INTERRUPT, or the end of a group-stop */
  STOP_SYSCALL, /* entry or exit of a call after PTRACE_SYSCALL */
  STOP_SIGNAL,  /* before a signal is delivered */
};

static enum stop_kind classify(int status) {
  int signal = WSTOPSIG(status);
  switch (status >> 16) {
  case PTRACE_EVENT_SECCOMP:
    return STOP_SECCOMP;
  case PTRACE_EVENT_FORK:
  case PTRACE_EVENT_VFORK:
  case PTRACE_EVENT_CLONE:
    return STOP_BIRTH;
  case PTRACE_EVENT_EXEC:
    return STOP_EXEC;
  case PTRACE_EVENT_STOP:
    return signal == SIGTRAP ? STOP_TRAP : STOP_GROUP;
  default:
    return signal == (SIGTRAP | 0x80) ? STOP_SYSCALL : STOP_SIGNAL;
  }
}

void stop_resume(struct tracee *tracee, int signal) {
  tracee->state = TRACEE_RUNNING;
  cpu_resume(tracee->run);
  /* ESRCH: it was killed at this stop. */
  ptrace(tracee->at_exit ? PTRACE_SYSCALL : PTRACE_CONT, tracee->tid, NULL, (void *)(intptr_t)signal);
}

static void on_seccomp(struct run *run, struct tracee *tracee) {
  struct call *call = &tracee->call;
  if (arch_read_call(tracee->tid, call) < 0) return stop_resume(tracee, 0);
  if (!filter_named(run, call)) {
    /* A filter of the tracee's own asks for a tracer, and it has none: what the kernel answers then. */
    arch_skip_call(tracee->tid, -ENOSYS);
    return stop_resume(tracee, 0);
  }
  call->answer = call->row < run->row_count ? run->rows[call->row].answer : OUA_ANSWER_NONE;
  bool is_exec = call->answer == OUA_ANSWER_EXECVE || call->answer == OUA_ANSWER_EXECVEAT;
  if (!tracee->armed && is_exec) {
    struct tracee *leader = tracee_find(run, tracee->tgid);
    if (leader && leader->arm_next) {
      tracee->armed = tracee->arming = true;
      answer_personality(tracee);
    }
  }
  if (!tracee->armed) return stop_resume(tracee, 0);
  switch ((enum oua_trace_answer)call->answer) {
  case OUA_ANSWER_EXECVE:
  case OUA_ANSWER_EXECVEAT:
    if (run->flags & (OUA_TRACE_ASK_EXEC | OUA_TRACE_TELL_ALL)) return exec_stop(run, tracee);
    tracee->at_exit = tracee->arming;
    break;
  case OUA_ANSWER_UNAME:
  case OUA_ANSWER_OLD_UNAME:
  case OUA_ANSWER_OLDOLD_UNAME:
    answer_uname(run, tracee);
    break;
  case OUA_ANSWER_SYSINFO:
    answer_sysinfo(run, tracee);
    break;
  case OUA_ANSWER_GET_AFFINITY:
  case OUA_ANSWER_SET_AFFINITY:
    if (!answer_affinity(run, tracee) && call_stop(run, tracee)) return;
    break;
  case OUA_ANSWER_KILL:
  case OUA_ANSWER_PROCESS:
  case OUA_ANSWER_THREAD:
  case OUA_ANSWER_PRIORITY:
  case OUA_ANSWER_IO_PRIORITY:
  case OUA_ANSWER_PIDFD_OPEN:
  case OUA_ANSWER_PIDFD:
  case OUA_ANSWER_PIDFD_WAIT:
    if (call_stop(run, tracee)) return;
    told_passed_on(run, tracee);
    break;
  case OUA_ANSWER_READLINK:
  case OUA_ANSWER_READLINKAT:
    if (run->hidden_proc) readlink_begin(run, tracee);
    break;
  case OUA_ANSWER_PERSONALITY:
  case OUA_ANSWER_STATFS:
  case OUA_ANSWER_STATFS64:
    tracee->at_exit = true;
    break;
  case OUA_ANSWER_TOLD:
    told_begin(run, tracee);
    break;
  case OUA_ANSWER_SECCOMP:
    exec_supervised(run, tracee);
    break;
  case OUA_ANSWER_NONE:
    break;
  }
  stop_resume(tracee, 0);
}

static void on_syscall(struct run *run, struct tracee *tracee) {
  int64_t result;
  if (!tracee->at_exit || arch_exit_result(tracee->tid, &result) <= 0) return stop_resume(tracee, 0);
  tracee->at_exit = false;
  switch ((enum oua_trace_answer)tracee->call.answer) {
  case OUA_ANSWER_EXECVE:
  case OUA_ANSWER_EXECVEAT:
    exec_failed(run, tracee, (int)-result);
    break;
  case OUA_ANSWER_READLINK:
  case OUA_ANSWER_READLINKAT:
    readlink_end(run, tracee, result);
    break;
  case OUA_ANSWER_PERSONALITY:
    answer_personality(tracee);
    break;
  case OUA_ANSWER_STATFS:
  case OUA_ANSWER_STATFS64:
    answer_statfs(run, tracee, result);
    break;
  case OUA_ANSWER_TOLD:
    told_end(run, tracee, result);
    break;
  case OUA_ANSWER_PIDFD_OPEN:
    arch_restore_arguments(tracee->tid, &tracee->call);
    break;
  default:
    break;
  }
  stop_resume(tracee, 0);
}

static void tell(struct run *run, struct oua_trace_event event) {
  if (run->flags & OUA_TRACE_TELL_ALL) event_tell(run, event, false);
}

static void tell_birth(struct run *run, struct tracee *parent, struct tracee *child) {
  tell(run, (struct oua_trace_event){.kind = OUA_TRACE_FORK,
                                     .tid = parent->tgid,
                                     .other = child->tid,
                                     .status = child->tgid != child->tid});
}

static void tell_end(struct run *run, struct tracee *tracee, int status) {
  struct oua_trace_event event = {
      .kind = OUA_TRACE_EXIT, .tid = tracee->tid, .other = tracee->tgid, .status = status};
  if (tracee->tid == run->command || tracee->tid == run->main)
    event_tell(run, event, true);
  else
    tell(run, event);
}

/* A child takes after its parent. */
static void adopt(struct run *run, struct tracee *parent, struct tracee *child) {
  if (!affinity_inherit(run, parent, child)) run->failed = true;
  cpu_birth(child);
  child->born = true;
  child->armed = parent->armed && !parent->arming;
  child->personality = parent->personality;
  child->parent = parent->tgid;
  if (!proc_is_thread_of(child->tid, parent->tgid)) return;
  child->tgid = parent->tgid;
  child->parent = parent->parent;
}

/* Whether this thread traces it, running, stopped or dead. */
static bool is_tracee(pid_t tid) {
  siginfo_t info;
  return waitid(P_PID, (id_t)tid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL | __WNOTHREAD) == 0;
}

/* Takes the child in. It is the result when its first stop is waiting to be taken up, else NULL. */
static struct tracee *learn_birth(struct run *run, struct tracee *parent, int status) {
  unsigned long message;
  run->counts.forks++;
  if (ptrace(PTRACE_GETEVENTMSG, parent->tid, NULL, &message) < 0) return NULL;
  struct tracee *child = tracee_find(run, (pid_t)message);
  /* Taken in as an orphan before; or even dead and forgotten, and its number perhaps somebody else's. */
  if (child ? child->born : !is_tracee((pid_t)message)) return NULL;
  if (!child) child = tracee_add(run, (pid_t)message);
  if (!child) {
    run->failed = true;
    return NULL;
  }
  enum tracee_state state = child->state;
  adopt(run, parent, child);
  tell_birth(run, parent, child);
  if (state == TRACEE_DEAD) {
    tell_end(run, child, child->pending);
    tracee_remove(run, child);
  } else if (status >> 16 == PTRACE_EVENT_VFORK) {
    parent->in_vfork = true;
    child->vfork_parent = parent->tid;
  }
  return state == TRACEE_NEWBORN ? child : NULL;
}

static void on_birth(struct run *run, struct tracee *parent, int status) {
  struct tracee *child = learn_birth(run, parent, status);
  if (run->failed) return;
  stop_resume(parent, 0);
  if (child) stop_process(run, child, child->pending);
}

void stop_process(struct run *run, struct tracee *tracee, int status) {
  tracee->state = TRACEE_RUNNING;
  tracee->interrupted = false;
  tracee->call_stop = 0;
  switch (classify(status)) {
  case STOP_SECCOMP:
    return on_seccomp(run, tracee);
  case STOP_BIRTH:
    return on_birth(run, tracee, status);
  case STOP_EXEC:
    run->counts.execs++;
    if (exec_settle(run, tracee)) exec_done(run, tracee);
    return stop_resume(tracee, 0);
  case STOP_GROUP:
    tracee->state = TRACEE_LISTENING;
    if (ptrace(PTRACE_LISTEN, tracee->tid, NULL, NULL) < 0) tracee->state = TRACEE_RUNNING;
    return;
  case STOP_TRAP:
    return stop_resume(tracee, 0);
  case STOP_SYSCALL:
    return on_syscall(run, tracee);
  case STOP_SIGNAL:
    run->counts.signals++;
    return stop_resume(tracee, WSTOPSIG(status));
  }
}

/* The command ended before its first exec: the pipe says why. */
static void tell_start_error(struct run *run) {
  int32_t error;
  if (read(run->start_errors, &error, sizeof error) == sizeof error)
    event_tell(run, (struct oua_trace_event){.kind = OUA_TRACE_START_FAILED, .status = error}, true);
}

static void on_end(struct run *run, pid_t tid, int status) {
  struct tracee *tracee = tracee_find(run, tid);
  if (!tracee) tracee = tracee_add(run, tid);
  if (!tracee) {
    run->failed = true;
    return;
  }
  if (!tracee->born) {
    tracee->state = TRACEE_DEAD;
    tracee->pending = status;
    tracee->ticks = 0;
    return;
  }
  if (tid == run->command && run->start_errors >= 0) tell_start_error(run);
  told_last(run, tracee);
  tell_end(run, tracee, status);
  tracee_remove(run, tracee);
}

/*
 * The stop is kept until the release. What it says of others is taken up: whoever asks for quiet has to know all that
 * stand still, and a child that nobody tells of is nobody's.
 */
static void keep(struct run *run, struct tracee *tracee, int status) {
  tracee->state = TRACEE_STOPPED;
  tracee->pending = status;
  enum stop_kind kind = classify(status);
  /* A vfork parent goes on, and must be stopped as well. The thread that made the call is no more, and never stops. */
  if (kind == STOP_EXEC) exec_settle(run, tracee);
  if (kind != STOP_BIRTH) return;
  struct tracee *child = learn_birth(run, tracee, status);
  if (child) child->state = TRACEE_STOPPED;
  tracee->pending = NOTHING_LEFT;
}

void stop_handle(struct run *run, pid_t tid, int status) {
  if (WIFEXITED(status) || WIFSIGNALED(status)) return on_end(run, tid, status);
  if (!WIFSTOPPED(status)) return;
  run->counts.stops++;
  if (run->dying) {
    syscall(SYS_tkill, tid, SIGKILL);
    return;
  }
  struct tracee *tracee = tracee_find(run, tid);
  if (!tracee) tracee = tracee_add(run, tid);
  if (!tracee) {
    run->failed = true;
    return;
  }
  tracee->over = false;
  if (!tracee->born) {
    tracee->state = TRACEE_NEWBORN;
    tracee->pending = status;
    tracee->ticks = 0;
  } else if (run->quiesced) {
    keep(run, tracee, status);
  } else {
    stop_process(run, tracee, status);
  }
}

/*
 * A parent killed at its fork event never tells of the child. Then /proc says whose it is; when that is nobody
 * known any more, the child counts as armed as soon as anything is.
 */
static void adopt_orphan(struct run *run, struct tracee *child) {
  pid_t tgid = proc_status_number(child->tid, "Tgid", false);
  pid_t parent_pid = tgid == child->tid ? proc_status_number(child->tid, "PPid", false) : tgid;
  struct tracee *parent = parent_pid > 0 ? tracee_find(run, parent_pid) : NULL;
  if (parent) {
    adopt(run, parent, child);
    tell_birth(run, parent, child);
  } else {
    child->born = true;
    for (struct tracee *other = NULL; (other = tracee_next(run, other));)
      if (other->armed) child->armed = true;
    if (run->flags & OUA_TRACE_ARMED) child->armed = true;
  }
}

void stop_adopt_orphans(struct run *run) {
  for (struct tracee *tracee = NULL; (tracee = tracee_next(run, tracee));) {
    if (tracee->state != TRACEE_NEWBORN) continue;
    adopt_orphan(run, tracee);
    tracee->state = TRACEE_STOPPED;
  }
}

void stop_tick(struct run *run) {
  cpu_tick(run);
  if (run->dying) run_kill(run);
  if (run->quiesced || run->dying) return;
  for (struct tracee *tracee = tracee_next(run, NULL), *next; tracee; tracee = next) {
    next = tracee_next(run, tracee);
    bool waits = tracee->state == TRACEE_NEWBORN || tracee->state == TRACEE_DEAD;
    if (!waits || ++tracee->ticks < PATIENCE_TICKS) continue;
    if (tracee->state == TRACEE_DEAD) {
      tracee_remove(run, tracee);
      continue;
    }
    adopt_orphan(run, tracee);
    return stop_process(run, tracee, tracee->pending);
  }
}
