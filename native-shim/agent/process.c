#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hash.h"
#include "report.h"
#include "terminal.h"
#include "volume.h"

#define OUTPUT_MAX (64u << 10)

static int signals = -1;
static bool stopping;
static int null_fd = -1;

void process_setup(int null) {
  null_fd = null;
  sigset_t waited;
  sigemptyset(&waited);
  for (size_t i = 0; i < 4; i++) sigaddset(&waited, (int[]){SIGCHLD, SIGTERM, SIGINT, SIGHUP}[i]);
  sigprocmask(SIG_BLOCK, &waited, NULL);
  signals = signalfd(-1, &waited, SFD_NONBLOCK | SFD_CLOEXEC);
  if (signals < 0) abort();
  /* Ignored signals would be inherited as ignored; SIGCHLD ignored would leave nothing to wait for. */
  signal(SIGCHLD, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
}

/* Until a signal is there, or something on a terminal, or the time is over. */
static void wait_for_news(int terminal, int milliseconds) {
  struct signalfd_siginfo signal;
  struct pollfd news[2] = {{.fd = signals, .events = POLLIN}, {.fd = terminal, .events = POLLIN}};
  if (poll(news, 2, milliseconds) < 0) return;
  while (read(signals, &signal, sizeof signal) == sizeof signal)
    if (signal.ssi_signo != SIGCHLD) stopping = true;
}

bool stop_requested(void) {
  if (!stopping) wait_for_news(-1, 0);
  return stopping;
}

static void run_child(const struct program *program, int output, int terminal) {
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setsid();
  umask(022);
  if (dup2(program->input < 0 ? null_fd : program->input, 0) == 0 &&
      dup2(program->terminal & TERMINAL_OUTPUT ? terminal : output, 1) == 1 &&
      dup2(program->terminal & TERMINAL_ERRORS ? terminal : output, 2) == 2 && chdir(program->cwd) == 0)
    execve(program->path, program->argv, program->environment);
  dprintf(2, "%s: %s\n", program->path, strerror(errno));
  _exit(127);
}

static size_t read_tail(int fd, char tail[OUTPUT_MAX]) {
  struct stat status;
  if (fstat(fd, &status) < 0) return 0;
  off_t start = status.st_size > OUTPUT_MAX ? status.st_size - OUTPUT_MAX : 0;
  ssize_t got = pread(fd, tail, OUTPUT_MAX, start);
  return got < 0 ? 0 : (size_t)got;
}

static void keep_output(int fd, struct outcome *outcome) {
  outcome->output = malloc(OUTPUT_MAX);
  if (!outcome->output) abort();
  outcome->output_size = read_tail(fd, outcome->output);
}

/* No limit of the process: that would hold for every file that a script writes. All writers append. */
static void bound_output(int fd) {
  static char tail[OUTPUT_MAX];
  struct stat status;
  if (fstat(fd, &status) < 0 || status.st_size <= SCRIPT_OUTPUT_MAX) return;
  size_t size = read_tail(fd, tail);
  if (ftruncate(fd, 0) == 0 && write(fd, tail, size) < 0) errno = 0;
}

/* More than a terminal holds; what is printed meanwhile waits for the next time. */
#define PARTS_AT_ONCE 64

/* What is on the terminal goes where the rest of what a program says goes, and is kept as it was. */
static void take_printed(int terminal, int output, struct outcome *outcome) {
  char part[4096];
  for (int parts = 0; terminal >= 0 && parts < PARTS_AT_ONCE; parts++) {
    ssize_t got = read(terminal, part, sizeof part);
    if (got <= 0) return;
    if (write(output, part, (size_t)got) < 0) errno = 0;
    size_t room = SCRIPT_OUTPUT_MAX - outcome->printed_size, size = (size_t)got < room ? (size_t)got : room;
    outcome->printed = realloc(outcome->printed, outcome->printed_size + size + 1);
    if (!outcome->printed) abort();
    memcpy(outcome->printed + outcome->printed_size, part, size);
    outcome->printed_size += size;
  }
}

static void wait_for(pid_t child, int output, int terminal, unsigned timeout, struct outcome *outcome) {
  double end = clock_seconds() + timeout;
  int status;
  bool killed = false;
  for (;;) {
    pid_t got = waitpid(child, &status, WNOHANG);
    if (got == child) break;
    if (!killed && (stopping || clock_seconds() > end)) {
      outcome->stopped = stopping;
      outcome->timed_out = !stopping;
      killed = kill(-child, SIGKILL) == 0 || kill(child, SIGKILL) == 0;
    }
    wait_for_news(terminal, 200);
    take_printed(terminal, output, outcome);
    bound_output(output);
  }
  take_printed(terminal, output, outcome);
  outcome->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int process_run(const struct program *program, unsigned timeout, struct outcome *outcome) {
  memset(outcome, 0, sizeof *outcome);
  int output = state_open("output", O_RDWR | O_CREAT | O_TRUNC | O_APPEND);
  if (output < 0) return fail_errno("AGENT_FAILED", program->path, "its output can't be kept");
  struct terminal terminal = {-1, -1};
  if (program->terminal && terminal_open(&terminal) < 0) {
    close(output);
    return fail_errno("AGENT_FAILED", program->path, "there is no terminal for it");
  }
  pid_t child = fork();
  if (child == 0) run_child(program, output, terminal.slave);
  if (child > 0) {
    wait_for(child, output, terminal.master, timeout, outcome);
    keep_output(output, outcome);
  }
  int result = child < 0 ? fail_errno("AGENT_FAILED", program->path, "can't be started") : 0;
  terminal_close(&terminal);
  close(output);
  return result;
}

/* The text and the input are in files of the agent's own as long as the script runs. */
static int run_with_files(const struct script *script, unsigned timeout, struct outcome *outcome) {
  static char text[128];
  struct program program = {script->path, script->argv, script->environment, script->cwd, -1, script->terminal};
  if (script->text_argument > 0) {
    if (state_write("text", script->text.data, script->text.length) < 0) return -1;
    snprintf(text, sizeof text, "%s/%.64s/text", STATE_ROOT, volumes[0].state_name);
    script->argv[script->text_argument] = text;
  }
  if (script->input.length > 0) {
    if (state_write("input", script->input.data, script->input.length) < 0) return -1;
    program.input = state_open("input", O_RDONLY);
    if (program.input < 0) return fail_errno("AGENT_FAILED", script->path, "its input can't be opened");
  }
  int result = process_run(&program, timeout, outcome);
  if (program.input >= 0) close(program.input);
  return result;
}

int script_run(const struct script *script, unsigned timeout, struct outcome *outcome) {
  uint8_t found[DIGEST_SIZE];
  int fd = open(script->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  int hashed = fd < 0 ? -1 : hash_file(fd, UINT64_MAX, found);
  if (fd >= 0) close(fd);
  if (hashed < 0 && errno == EINTR) return fail("INTERRUPTED", "", "stopped");
  if (hashed < 0) return fail_errno("SCRIPT_CHANGED", script->path, "the script can't be read");
  if (memcmp(found, script->sha256, DIGEST_SIZE) != 0)
    return fail("SCRIPT_CHANGED", script->path, "the script is not the one that was planned");
  return run_with_files(script, timeout, outcome);
}

/* dpkg notes them in Unincorp first and then in the status of the packages (deb-triggers(5)). */
bool triggers_pending(void) {
  struct stat status;
  if (stat("/var/lib/dpkg/triggers/Unincorp", &status) == 0 && status.st_size > 0) return true;
  FILE *file = fopen("/var/lib/dpkg/status", "re");
  if (!file) return false;
  char *line = NULL;
  size_t size = 0;
  bool found = false;
  while (!found && getline(&line, &size, file) > 0)
    found = strncmp(line, "Status: ", 8) == 0 && (strstr(line, " triggers-pending") || strstr(line, " triggers-awaited"));
  free(line);
  fclose(file);
  return found;
}
