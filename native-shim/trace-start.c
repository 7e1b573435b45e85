/* Starting a command under the tracer. */
#include "trace-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS                                                                                               \
  (PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |                     \
   PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP)

/* Everything that the child needs, made before the fork: after it only async-signal-safe calls are allowed. */
struct command {
  const char *file, *cwd;
  char **argv, **environment;
  int streams[3];
  struct sock_fprog filter;
  int gate;   /* readable once the tracer is there */
  int errors; /* takes the errno of what failed */
};

char **unpack_strings(const uint8_t *packed, int32_t length) {
  size_t count = 0;
  if (length < 0 || (length > 0 && packed[length - 1] != 0)) return NULL;
  for (int32_t i = 0; i < length; i++) count += packed[i] == 0;
  char **strings = calloc(count + 1, sizeof *strings);
  if (!strings) return NULL;
  char *at = (char *)(uintptr_t)packed;
  for (size_t i = 0; i < count; i++, at += strlen(at) + 1) strings[i] = at;
  return strings;
}

static int set_streams(const int *streams) {
  int moved[3];
  for (int i = 0; i < 3; i++)
    if ((moved[i] = fcntl(streams[i], F_DUPFD_CLOEXEC, 3)) < 0) return -1;
  for (int i = 0; i < 3; i++)
    if (dup2(moved[i], i) < 0) return -1;
  return (int)syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
}

static void reset_signals(void) {
  struct sigaction action = {.sa_handler = SIG_DFL};
  sigset_t none;
  for (int number = 1; number < NSIG; number++) sigaction(number, &action, NULL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static int install(const struct sock_fprog *filter) {
  if (filter->len == 0) return 0;
  /* Who may not install a filter otherwise has to give up setuid programs for it. */
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter) == 0) return 0;
  if (errno != EACCES || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter);
}

static _Noreturn void become(const struct command *command) {
  char go;
  if (read(command->gate, &go, 1) != 1) _exit(127);
  setsid();
  reset_signals();
  if (set_streams(command->streams) == 0 && (command->cwd[0] == 0 || chdir(command->cwd) == 0) &&
      install(&command->filter) == 0)
    execve(command->file, command->argv, command->environment);
  int32_t error = errno;
  if (write(command->errors, &error, sizeof error) < 0) _exit(126);
  _exit(127);
}

static int32_t spawn(struct run *run, struct command *command) {
  int gate[2] = {-1, -1}, errors[2] = {-1, -1};
  int error = pipe2(gate, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
  command->gate = gate[0];
  command->errors = errors[1];
  pid_t pid = error ? -1 : fork();
  if (pid == 0) {
    close(gate[1]);
    become(command);
  }
  if (!error && pid < 0) error = -errno;
  if (!error && ptrace(PTRACE_SEIZE, pid, NULL, (void *)OPTIONS) < 0) error = -errno;
  struct tracee *tracee = error ? NULL : tracee_add(run, pid);
  if (!error && !tracee) error = -ENOMEM;
  if (!error && write(gate[1], "", 1) != 1) error = -errno;
  if (tracee && !error) {
    tracee->born = true;
    tracee->parent = getpid();
    tracee->armed = run->flags & OUA_TRACE_ARMED;
    run->command = pid;
    run->start_errors = errors[0];
    errors[0] = -1;
  }
  for (int i = 0; i < 2; i++) {
    if (gate[i] >= 0) close(gate[i]);
    if (errors[i] >= 0) close(errors[i]);
  }
  if (error && pid > 0) {
    if (tracee) tracee_remove(run, tracee);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, __WALL);
  }
  return error ? error : pid;
}

int32_t oua_trace_start(int32_t handle, const uint8_t *file, const uint8_t *argv, int32_t argv_length,
                        const uint8_t *environment, int32_t environment_length, const uint8_t *cwd, int32_t in,
                        int32_t out, int32_t err, const uint8_t *filter, int32_t filter_length) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  if (run->command) return -EBUSY;
  size_t instructions = (size_t)filter_length / sizeof(struct sock_filter);
  if (filter_length < 0 || instructions > BPF_MAXINSNS) return -EINVAL;
  struct sock_filter *program = calloc(instructions + 1, sizeof *program);
  struct command command = {
      .file = (const char *)file,
      .cwd = (const char *)cwd,
      .argv = unpack_strings(argv, argv_length),
      .environment = unpack_strings(environment, environment_length),
      .streams = {in, out, err},
      .filter = {.len = (unsigned short)instructions, .filter = program},
  };
  int32_t result = -EINVAL;
  if (program && command.argv && command.environment) {
    memcpy(program, filter, instructions * sizeof *program);
    result = filter_keep(run, program, instructions);
    if (result == 0) result = spawn(run, &command);
  }
  free(program);
  free(command.argv);
  free(command.environment);
  return result;
}

int32_t oua_pipe(uint8_t *ends, int32_t length) {
  int32_t pair[2];
  if (length != (int32_t)sizeof pair) return -EINVAL;
  if (pipe2(pair, O_CLOEXEC) < 0) return -errno;
  memcpy(ends, pair, sizeof pair);
  return 0;
}
