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

/* Bytes: argv and environment have at most a word for each two bytes of what a stack may take, fs/exec.c. */
#define STACK_WORDS_MAX ((size_t)32 << 20)


/* The name that the kernel puts into AT_EXECFN, fs/exec.c alloc_bprm. */
static char *kernel_name(const char *path, int directory) {
  char name[PATH_MAX + 24];
  if (directory == AT_FDCWD || path[0] == '/') return strdup(path);
  snprintf(name, sizeof name, "/dev/fd/%d%s%s", directory, path[0] ? "/" : "", path);
  return strdup(name);
}

static struct exec *exec_new(int32_t stop) {
  struct exec *exec = calloc(1, sizeof *exec);
  if (!exec) return NULL;
  exec->stop = stop;
  exec->program = -1;
  return exec;
}

void exec_free(struct exec *exec) {
  if (!exec) return;
  if (exec->program >= 0) close(exec->program);
  event_free(&exec->record);
  free(exec->name);
  free(exec);
}

static void add_text(struct record *record, const char *text) { event_add_string(record, text, strlen(text)); }

/* Where execve(2) and execveat(2) have their arguments. */
struct exec_arguments {
  int directory;
  uint64_t path, argv, environment;
};

static struct exec_arguments arguments_of(const struct call *call) {
  bool at = call->answer == OUA_ANSWER_EXECVEAT;
  const uint64_t *args = call->args + (at ? 1 : 0);
  return (struct exec_arguments){at ? (int32_t)(uint32_t)call->args[0] : AT_FDCWD, args[0], args[1], args[2]};
}

/* The event that is told once the exec is over. */
static int prepare_event(struct tracee *tracee, const struct place *place, uint64_t argv) {
  struct exec *exec = tracee->exec;
  struct oua_trace_event event = {.tid = tracee->tgid, .other = tracee->parent, .status = exec->stop};
  event_begin(&exec->record, &event);
  add_text(&exec->record, place->path);
  add_text(&exec->record, place->absolute);
  return event_add_strings(&exec->record, tracee->tid, argv, tracee->call.pointer_size);
}

static int hold(struct run *run, struct tracee *tracee, const struct place *place,
                const struct exec_arguments *arguments) {
  struct record record;
  char cwd[PATH_MAX];
  int length = proc_readlink(tracee->tid, "cwd", cwd, sizeof cwd);
  if (length < 0) return length == -ENOENT ? -ESRCH : length;
  event_begin(&record, &(struct oua_trace_event){
                           .kind = OUA_TRACE_EXEC_STOP,
                           .tid = tracee->tid,
                           .other = tracee->tgid,
                           .status = tracee->exec->stop,
                           .args = {tracee->parent, arguments->directory},
                       });
  add_text(&record, place->path);
  add_text(&record, place->absolute);
  add_text(&record, cwd);
  add_text(&record, place->root);
  add_text(&record, place->base);
  int error = event_add_strings(&record, tracee->tid, arguments->argv, tracee->call.pointer_size);
  if (!error)
    error = event_add_strings(&record, tracee->tid, arguments->environment, tracee->call.pointer_size);
  if (error) {
    event_free(&record);
    return error;
  }
  tracee->exec->held = true;
  tracee->state = TRACEE_HELD;
  event_send(run, &record, true);
  return 0;
}

/* Makes it one that is known to be under way, and no more: without a name. */
static void forget_call(struct exec *exec) {
  free(exec->name);
  exec->name = NULL;
  event_free(&exec->record);
}

/*
 * Lets the exec go. Only its exit tells of a failure. Most execs that fail are a search of PATH, so the exit is left
 * out where nothing depends on it: what is remembered of a failed one is overwritten by the thread's next. That
 * holds as long as every exec is seen.
 */
static void go(struct tracee *tracee) {
  const struct run *run = tracee->run;
  const struct exec *exec = tracee->exec;
  tracee->at_exit = !exec || exec->held || tracee->arming || run->supervised || run->flags & OUA_TRACE_TELL_FAILED;
  stop_resume(tracee, 0);
}

void exec_supervised(struct run *run, struct tracee *tracee) {
  run->supervised = true;
  for (struct tracee *other = NULL; (other = tracee_next(run, other));)
    if (other->tgid == tracee->tgid && !other->at_exit) tracee_forget_exec(other);
}

/* The exec that is reported: what the kernel is going to run is what was looked at, or it does not run. */
static int take_up(struct run *run, struct tracee *tracee) {
  struct exec_arguments arguments = arguments_of(&tracee->call);
  struct place place;
  int error = place_read(&place, tracee->tid, arguments.path, arguments.directory);
  if (error) return error;
  tracee->exec->name = kernel_name(place.path, arguments.directory);
  if (!tracee->exec->name) return -ENOMEM;
  error = prepare_event(tracee, &place, arguments.argv);
  if (error) return error;
  if ((run->flags & OUA_TRACE_ASK_EXEC) && (!run->asked || path_is_within(place.absolute, run->asked)))
    return hold(run, tracee, &place, &arguments);
  go(tracee);
  return 0;
}

void exec_stop(struct run *run, struct tracee *tracee) {
  exec_free(tracee->exec);
  tracee->exec = exec_new(++run->last_stop);
  int error = tracee->exec ? take_up(run, tracee) : -ENOMEM;
  if (!error) return;
  if (error == -ENOMEM) run->failed = true;
  /* What we cannot read, the kernel cannot either. It says why best: of two reasons it gives the one it meets first. */
  if (tracee->exec) forget_call(tracee->exec);
  go(tracee);
}

static struct tracee *held(int32_t handle, int32_t tid, int32_t stop) {
  struct run *run = run_of(handle);
  struct tracee *tracee = run ? tracee_find(run, tid) : NULL;
  return tracee && tracee->state == TRACEE_HELD && tracee->exec && tracee->exec->stop == stop ? tracee : NULL;
}

static bool is_gone(pid_t tid) {
  unsigned long message;
  return ptrace(PTRACE_GETEVENTMSG, tid, NULL, &message) < 0 && errno == ESRCH;
}

int32_t oua_trace_exec_continue(int32_t handle, int32_t tid, int32_t stop) {
  struct tracee *tracee = held(handle, tid, stop);
  if (!tracee) return -ESRCH;
  go(tracee);
  return 0;
}

/* What a redirect writes lies below what the tracee uses of its stack: piece by piece, downwards. */
static int write_below(pid_t tid, uint64_t *top, const void *bytes, size_t length) {
  if (length > *top) return -EFAULT;
  *top = (*top - length) & ~(uint64_t)15;
  ssize_t written = memory_write(tid, *top, bytes, length);
  return written == (ssize_t)length ? 0 : written < 0 ? (int)written : -EFAULT;
}

static int set_exec_argument(struct tracee *tracee, int index, uint64_t value) {
  return arch_set_argument(tracee->tid, &tracee->call, index + (tracee->call.answer == OUA_ANSWER_EXECVEAT), value);
}

static int aim_at(struct tracee *tracee, uint64_t *top, const uint8_t *path, size_t length) {
  int error = write_below(tracee->tid, top, path, length);
  if (!error) error = set_exec_argument(tracee, 0, *top);
  bool at = tracee->call.answer == OUA_ANSWER_EXECVEAT;
  if (!error && at) error = arch_set_argument(tracee->tid, &tracee->call, 0, (uint64_t)(int64_t)AT_FDCWD);
  if (!error && at) error = arch_set_argument(tracee->tid, &tracee->call, 4, 0);
  return error;
}

/* `argv` is packed. Pointers to its words are the tracee's own, little-endian on all our machines. */
static int give_arguments(struct tracee *tracee, uint64_t *top, const uint8_t *argv, size_t length) {
  size_t size = (size_t)tracee->call.pointer_size, count = 0;
  for (size_t at = 0; at < length; at++) count += argv[at] == 0;
  uint8_t *words = calloc(count + 1, size);
  if (!words) return -ENOMEM;
  int error = write_below(tracee->tid, top, argv, length);
  for (size_t at = 0, word = 0; word < count; word++, at += strlen((const char *)argv + at) + 1) {
    uint64_t address = *top + at;
    memcpy(words + word * size, &address, size);
  }
  if (!error) error = write_below(tracee->tid, top, words, (count + 1) * size);
  free(words);
  return error ? error : set_exec_argument(tracee, 1, *top);
}

static bool is_packed(const uint8_t *text, int32_t length) { return length > 0 && text[length - 1] == 0; }

static int redirect(struct tracee *tracee, const uint8_t *path, int32_t length, const uint8_t *argv, int32_t argv_length) {
  struct exec *exec = tracee->exec;
  uint64_t top;
  if ((length && !is_packed(path, length)) || (argv_length && !is_packed(argv, argv_length))) return -EINVAL;
  int error = arch_free_stack(tracee->tid, &top);
  exec->changed = true;
  if (!error && argv_length) error = give_arguments(tracee, &top, argv, (size_t)argv_length);
  if (error || !length) return error;
  free(exec->name);
  exec->name = strdup((const char *)path);
  if (!exec->name) return -ENOMEM;
  exec->program = open_in_root(tracee->tid, exec->name, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
  exec->redirected = true;
  return exec->program < 0 ? exec->program : aim_at(tracee, &top, path, (size_t)length);
}

int32_t oua_trace_exec_redirect(int32_t handle, int32_t tid, int32_t stop, const uint8_t *path, int32_t length,
                                const uint8_t *argv, int32_t argv_length) {
  struct tracee *tracee = held(handle, tid, stop);
  if (!tracee) return -ESRCH;
  int error = redirect(tracee, path, length, argv, argv_length);
  /* Of one that was killed meanwhile, by another thread's exec for one, anything may be missing. */
  if (error) return is_gone(tid) ? -ESRCH : error;
  go(tracee);
  return 0;
}

int32_t oua_trace_exec_fail(int32_t handle, int32_t tid, int32_t stop, int32_t failure) {
  struct tracee *tracee = held(handle, tid, stop);
  if (!tracee) return -ESRCH;
  if (tracee->arming) tracee->armed = false;
  tracee_forget_exec(tracee);
  int error = arch_skip_call(tid, -failure);
  stop_resume(tracee, 0);
  return error;
}

/* Pointer-sized words of a tracee's memory, one after another. */
struct words {
  pid_t tid;
  uint64_t from;
  int size;
  uint8_t bytes[4096];
  size_t length, at, seen;
};

static bool next_word(struct words *words, uint64_t *word) {
  size_t size = (size_t)words->size;
  if (words->at + size > words->length) {
    ssize_t length = memory_read(words->tid, words->from + words->seen, words->bytes, sizeof words->bytes);
    if (length < (ssize_t)size || words->seen > STACK_WORDS_MAX) return false;
    words->length = (size_t)length - (size_t)length % size;
    words->seen += words->length;
    words->at = 0;
  }
  *word = 0;
  memcpy(word, words->bytes + words->at, size);
  words->at += size;
  return true;
}

static bool skip_past_zero(struct words *words) {
  uint64_t word;
  while (next_word(words, &word))
    if (word == 0) return true;
  return false;
}

/*
 * The name that the kernel itself used. It has just laid out the new program's stack: argc, argv, environment and
 * auxiliary vector (System V ABI for x86-64, 3.4.1); reading it there costs less than /proc/<pid>/auxv.
 */
static bool name_is(pid_t tid, const char *expected) {
  struct words words = {.tid = tid, .size = arch_pointer_size(tid)};
  uint8_t name[PATH_MAX + 32];
  uint64_t type, value;
  if (words.size < 0 || arch_stack_pointer(tid, &words.from) < 0) return false;
  words.from += (uint64_t)words.size;
  if (!skip_past_zero(&words) || !skip_past_zero(&words)) return false;
  while (next_word(&words, &type) && next_word(&words, &value) && type != AT_NULL)
    if (type == AT_EXECFN)
      return memory_read_string(tid, value, name, sizeof name) > 0 && strcmp((char *)name, expected) == 0;
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
  free(leader->affinity);
  leader->affinity = former->affinity;
  former->affinity = NULL;
  leader->exec = former->exec;
  former->exec = NULL;
  tracee_remove(run, former);
}

/*
 * An exec without a name was let through unread: it should have failed. One that is not at hand was let through
 * unseen: by a filter of the tracee's own that lets a supervisor decide, SECCOMP_USER_NOTIF_FLAG_CONTINUE.
 */
static bool is_right(const struct run *run, struct tracee *tracee, bool was_armed) {
  struct exec *exec = tracee->exec;
  if (!exec || !exec->name) return !was_armed || !(run->flags & OUA_TRACE_ASK_EXEC);
  return ((!exec->redirected || program_is(tracee->tid, exec->program)) && name_is(tracee->tid, exec->name));
}

static void tell_exec(struct run *run, struct tracee *tracee) {
  struct oua_trace_event event = {.kind = OUA_TRACE_EXEC, .tid = tracee->tid, .other = tracee->parent};
  if (!tracee->exec || !tracee->exec->name) return event_tell(run, event, false);
  struct oua_trace_event *told = event_of(&tracee->exec->record);
  told->kind = OUA_TRACE_EXEC;
  told->args[0] = tracee->exec->redirected;
  event_send(run, &tracee->exec->record, false);
}

bool exec_settle(struct run *run, struct tracee *tracee) {
  unsigned long message;
  if (ptrace(PTRACE_GETEVENTMSG, tracee->tid, NULL, &message) < 0) return false;
  struct tracee *former = (pid_t)message == tracee->tid ? NULL : tracee_find(run, (pid_t)message);
  if (former) take_over(run, tracee, former);
  tracee_end_vfork(run, tracee);
  return true;
}

void exec_done(struct run *run, struct tracee *tracee) {
  /* It may have been named while this call was under way already. */
  bool was_armed = tracee->armed;
  if (tracee->arm_next) tracee->armed = true;
  tracee->at_exit = tracee->arm_next = tracee->arming = tracee->in_vfork = false;
  tracee->tgid = tracee->tid;
  tracee->ns_pid = 0;
  if (tracee->tid == run->command && run->start_errors >= 0) {
    close(run->start_errors);
    run->start_errors = -1;
  }
  if (!is_right(run, tracee, was_armed) && !is_gone(tracee->tid)) {
    syscall(SYS_tkill, tracee->tid, SIGKILL);
    event_tell(run,
               (struct oua_trace_event){
                   .kind = OUA_TRACE_MISMATCH,
                   .tid = tracee->tid,
                   .status = tracee->exec ? tracee->exec->stop : 0},
               true);
  } else if (run->flags & OUA_TRACE_TELL_ALL) {
    tell_exec(run, tracee);
  }
  tracee_forget_exec(tracee);
}

void exec_failed(struct run *run, struct tracee *tracee, int error) {
  struct exec *exec = tracee->exec;
  if (tracee->arming) tracee->armed = false;
  if (exec && exec->name) {
    if (exec->changed) arch_restore_arguments(tracee->tid, &tracee->call);
    struct oua_trace_event *event = event_of(&exec->record);
    event->kind = OUA_TRACE_EXEC_FAILED;
    event->args[0] = exec->redirected;
    event->args[1] = error;
    event_send(run, &exec->record, exec->redirected);
  }
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
