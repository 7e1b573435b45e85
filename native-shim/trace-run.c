/* Runs: their handles, the bounded wait, and what is done to all tracees at once. */
#include "trace-internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_RUNS 64
#define TICK_NANOSECONDS 20000000L
#define CLOSE_MILLISECONDS 2000

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static pthread_mutex_t runs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct run *runs[MAX_RUNS];
static int32_t last_handle;

/* Set by the tick and by a wake; the tracing thread lets that signal in only while it waits. */
static _Thread_local volatile sig_atomic_t signalled;

static int wait_signal(void) { return SIGRTMAX - 3; }

static void on_signal(int number) {
  (void)number;
  signalled = 1;
}

static void mask_signal(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, wait_signal());
  pthread_sigmask(how, &set, NULL);
}

struct run *run_of(int32_t handle) {
  struct run *found = NULL;
  pthread_mutex_lock(&runs_lock);
  for (int i = 0; i < MAX_RUNS; i++)
    if (runs[i] && runs[i]->handle == handle) found = runs[i];
  pthread_mutex_unlock(&runs_lock);
  return found;
}

static int64_t now_milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A timer on this very thread: it interrupts waitpid(2), which has no time limit of its own. */
static int start_timer(struct run *run) {
  struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = wait_signal()};
  struct itimerspec period = {{0, TICK_NANOSECONDS}, {0, TICK_NANOSECONDS}};
  event.sigev_notify_thread_id = run->thread;
  signalled = 0;
  mask_signal(SIG_BLOCK);
  if (sigaction(wait_signal(), &action, NULL) < 0) return -errno;
  if (timer_create(CLOCK_MONOTONIC, &event, &run->timer) < 0) return -errno;
  run->has_timer = true;
  return timer_settime(run->timer, 0, &period, NULL) < 0 ? -errno : 0;
}

/* The strings are one block, which the first of them begins. */
static void free_strings(char **strings) {
  if (strings) free(strings[0]);
  free(strings);
}

static void run_free(struct run *run) {
  if (run->has_timer) timer_delete(run->timer);
  cpu_close(run);
  if (run->start_errors >= 0) close(run->start_errors);
  for (struct tracee *tracee; (tracee = tracee_next(run, NULL));) tracee_remove(run, tracee);
  free(run->hidden_proc);
  free(run->events.bytes);
  free(run->rows);
  free(run->cpus);
  free(run->filter);
  free(run->guest_pids);
  free_strings(run->asked);
  free(run);
}

int32_t oua_trace_open(int32_t flags) {
  struct run *run = calloc(1, sizeof *run);
  if (!run) return -ENOMEM;
  run->flags = flags;
  run->thread = gettid();
  run->start_errors = -1;
  run->sharing.loadavg = run->sharing.main_stat = -1;
  int error = start_timer(run);
  pthread_mutex_lock(&runs_lock);
  int slot = 0;
  while (slot < MAX_RUNS && runs[slot]) slot++;
  if (!error && slot == MAX_RUNS) error = -EMFILE;
  if (!error) {
    runs[slot] = run;
    run->handle = ++last_handle;
  }
  pthread_mutex_unlock(&runs_lock);
  if (!error) return run->handle;
  run_free(run);
  return error;
}

enum waited { WAITED_STOP, WAITED_NOTHING, WAITED_SIGNAL, WAITED_END };

/* One change of one tracee, taken up. __WNOTHREAD: Node's own children belong to other threads. */
static enum waited wait_once(struct run *run, bool block) {
  int status;
  pid_t tid = waitpid(-1, &status, __WALL | __WNOTHREAD | (block ? 0 : WNOHANG));
  if (tid > 0) stop_handle(run, tid, status);
  if (run->failed && !run->dying) run_kill(run);
  bool ticked = signalled;
  if (ticked) {
    signalled = 0;
    stop_tick(run);
  }
  if (tid == 0) return WAITED_NOTHING;
  if (tid < 0 && errno == ECHILD) return WAITED_END;
  return ticked || tid < 0 ? WAITED_SIGNAL : WAITED_STOP;
}

int32_t oua_trace_wait(int32_t handle, uint8_t *bytes, int32_t length, int32_t milliseconds) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  if (length <= 0) return -EINVAL;
  int64_t until = now_milliseconds() + milliseconds;
  bool over = false;
  mask_signal(SIG_UNBLOCK);
  while (!over) {
    if (!run->attention && atomic_exchange(&run->woken, 0)) break;
    enum waited waited = wait_once(run, !run->attention);
    if (waited == WAITED_END) event_tell(run, (struct oua_trace_event){.kind = OUA_TRACE_END}, true);
    over = waited == WAITED_NOTHING || waited == WAITED_END ||
           (waited == WAITED_SIGNAL && now_milliseconds() >= until) ||
           (run->attention && run->events.length - run->events.start >= (size_t)length);
  }
  mask_signal(SIG_BLOCK);
  return run->failed ? -ENOMEM : event_take(run, bytes, length);
}

int32_t oua_trace_wake(int32_t handle) {
  int result = -ESRCH;
  pthread_mutex_lock(&runs_lock);
  for (int i = 0; i < MAX_RUNS; i++)
    if (runs[i] && runs[i]->handle == handle) {
      atomic_store(&runs[i]->woken, 1);
      result = syscall(SYS_tgkill, getpid(), runs[i]->thread, wait_signal()) < 0 ? -errno : 0;
    }
  pthread_mutex_unlock(&runs_lock);
  return result;
}

static bool is_restless(struct tracee *tracee) {
  return tracee->state == TRACEE_RUNNING && !tracee->in_vfork && !tracee->over;
}

int32_t oua_trace_quiesce(int32_t handle, int32_t milliseconds) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  int64_t until = now_milliseconds() + milliseconds;
  int32_t restless;
  bool late = false;
  run->quiesced = true;
  mask_signal(SIG_UNBLOCK);
  for (;;) {
    restless = 0;
    for (struct tracee *tracee = NULL; (tracee = tracee_next(run, tracee));) {
      if (!is_restless(tracee)) continue;
      restless++;
      /* ESRCH: it is dying, and its end will be reported. */
      if (!tracee->interrupted) ptrace(PTRACE_INTERRUPT, tracee->tid, NULL, NULL);
      tracee->interrupted = true;
      if (late) tracee->over = proc_is_zombie(tracee->tid);
    }
    if (restless == 0) break;
    enum waited waited = wait_once(run, true);
    if (waited == WAITED_END || now_milliseconds() >= until) break;
    late = waited == WAITED_SIGNAL;
  }
  mask_signal(SIG_BLOCK);
  if (restless == 0) stop_adopt_orphans(run);
  run->attention = true;
  return restless;
}

int32_t oua_trace_release(int32_t handle) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  run->quiesced = false;
  /* Taking one up can change the table: begin again after each. */
  for (struct tracee *tracee = tracee_next(run, NULL); tracee;) {
    if (tracee->state != TRACEE_STOPPED) {
      tracee = tracee_next(run, tracee);
      continue;
    }
    stop_process(run, tracee, tracee->pending);
    tracee = tracee_next(run, NULL);
  }
  return 0;
}

int32_t oua_trace_arm(int32_t handle, int32_t pid) {
  struct run *run = run_of(handle);
  struct tracee *tracee = run ? tracee_find(run, pid) : NULL;
  if (!tracee || tracee->state == TRACEE_DEAD) return -ESRCH;
  tracee->arm_next = true;
  run->main = pid;
  return 0;
}

void run_kill(struct run *run) {
  run->dying = true;
  for (struct tracee *tracee = NULL; (tracee = tracee_next(run, tracee));)
    if (tracee->state != TRACEE_DEAD) syscall(SYS_tkill, tracee->tid, SIGKILL);
}

int32_t oua_trace_kill(int32_t handle) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  run_kill(run);
  return 0;
}

int32_t oua_trace_list(int32_t handle, uint8_t *pids, int32_t length) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  int32_t count = 0;
  for (struct tracee *tracee = NULL; (tracee = tracee_next(run, tracee));) {
    if (tracee->tid != tracee->tgid || tracee->state == TRACEE_DEAD) continue;
    size_t at = (size_t)count++ * sizeof(int32_t);
    int32_t pid = tracee->tid;
    if (at + sizeof pid <= (size_t)length) memcpy(pids + at, &pid, sizeof pid);
  }
  return count;
}

int32_t oua_trace_read_counts(int32_t handle, uint8_t *counts, int32_t length) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  if (length != (int32_t)sizeof run->counts) return -EINVAL;
  memcpy(counts, &run->counts, sizeof run->counts);
  return 0;
}

int32_t oua_trace_set_rows(int32_t handle, const uint8_t *rows, int32_t length) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  size_t size = sizeof *run->rows;
  if (length <= 0 || (size_t)length % size != 0 || run->rows) return -EINVAL;
  run->rows = malloc((size_t)length);
  if (!run->rows) return -ENOMEM;
  memcpy(run->rows, rows, (size_t)length);
  run->row_count = (size_t)length / size;
  return 0;
}

int32_t oua_trace_set_asked(int32_t handle, const uint8_t *directories, int32_t length) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  if (length <= 0 || run->asked) return -EINVAL;
  uint8_t *copy = malloc((size_t)length);
  if (!copy) return -ENOMEM;
  memcpy(copy, directories, (size_t)length);
  run->asked = unpack_strings(copy, length);
  if (run->asked) return 0;
  free(copy);
  return -EINVAL;
}

int32_t oua_trace_set_uname(int32_t handle, const uint8_t *names, int32_t length) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  if (length != (int32_t)sizeof run->uname) return -EINVAL;
  memcpy(run->uname, names, sizeof run->uname);
  run->has_uname = true;
  return 0;
}

int32_t oua_trace_set_hidden_proc(int32_t handle, const char *directory) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  if (strlen(directory) > HIDDEN_PROC_MAX) return -ENAMETOOLONG;
  char *copy = strdup(directory);
  if (!copy) return -ENOMEM;
  free(run->hidden_proc);
  run->hidden_proc = copy;
  return 0;
}

int32_t oua_trace_close(int32_t handle) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  bool ended = true;
  /* From another thread the tracees are out of reach; the kernel killed them when theirs ended. */
  if (run->thread == gettid()) {
    int64_t until = now_milliseconds() + CLOSE_MILLISECONDS;
    run->quiesced = false;
    run_kill(run);
    mask_signal(SIG_UNBLOCK);
    do ended = wait_once(run, true) == WAITED_END;
    while (!ended && now_milliseconds() < until);
    mask_signal(SIG_BLOCK);
  }
  pthread_mutex_lock(&runs_lock);
  for (int i = 0; i < MAX_RUNS; i++)
    if (runs[i] == run) runs[i] = NULL;
  pthread_mutex_unlock(&runs_lock);
  run_free(run);
  return ended ? 0 : -EBUSY;
}
