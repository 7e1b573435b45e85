/*
 * Plays a replay stream inside the guest, or takes back what an interrupted run left.
 *
 *   agent apply --stream FILE [--root DIRECTORY] [--report FILE] [--script-timeout SECONDS]
 *   agent recover [--root DIRECTORY] [--report FILE]
 *
 * With --root it works below that directory (chroot) and checks only what a directory has of a guest.
 * Stopped by SIGTERM, SIGINT or SIGHUP, it rolls back. enum agent_exit has the exit statuses.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "process.h"
#include "replay.h"
#include "report.h"

/* In the guest's memory: whoever started us has made it, for what we report. */
#define RUN_DIRECTORY "/run/ouassister"

struct arguments {
  const char *command;
  const char *stream;
  const char *root;
  const char *report;
  const char *script_timeout;
};

static bool parse(int argc, char **argv, struct arguments *arguments) {
  struct {
    const char *name;
    const char **value;
  } options[] = {{"--stream", &arguments->stream},
                 {"--root", &arguments->root},
                 {"--report", &arguments->report},
                 {"--script-timeout", &arguments->script_timeout}};
  if (argc < 2) return false;
  arguments->command = argv[1];
  for (int i = 2; i < argc; i += 2) {
    bool known = false;
    for (size_t o = 0; o < sizeof options / sizeof *options; o++)
      if (strcmp(argv[i], options[o].name) == 0 && i + 1 < argc) {
        *options[o].value = argv[i + 1];
        known = true;
      }
    if (!known) return false;
  }
  return strcmp(arguments->command, "recover") == 0 || (strcmp(arguments->command, "apply") == 0 && arguments->stream);
}

/*
 * Out of the control group of whoever started us: an update that restarts the guest agent must not take
 * the replay with it. Where control groups are laid out otherwise, it stays as it is.
 */
static void leave_control_group(void) {
  int fd = open("/sys/fs/cgroup/cgroup.procs", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, "0", 1) < 0) errno = 0;
  close(fd);
}

/* A child of an agent that was killed has its lock, too, from its fork to its exec. */
static int lock_directory(int fd) {
  struct timespec moment = {.tv_nsec = 50 * 1000 * 1000};
  int result = -1;
  for (int tries = 0; tries < 40 && (result = flock(fd, LOCK_EX | LOCK_NB)) < 0; tries++) nanosleep(&moment, NULL);
  return result;
}

/*
 * One agent at a time, also where dpkg has no lock. Held until the process ends. What any user can open any user can
 * lock: in a guest that runs it is a directory of root's alone.
 */
static int lock(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return fail_errno("AGENT_FAILED", path, "can't be opened");
  return lock_directory(fd) < 0 ? fail("GUEST_BUSY", path, "another replay is going on") : 0;
}

static int enter(const char *root) {
  if (root && (chdir(root) < 0 || chroot(".") < 0)) return fail_errno("AGENT_FAILED", root, "can't be entered");
  if (chdir("/") < 0) return fail_errno("AGENT_FAILED", "/", "can't be entered");
  if (root) return lock("/");
  if (mkdir(RUN_DIRECTORY, 0700) < 0 && errno != EEXIST) return fail_errno("AGENT_FAILED", RUN_DIRECTORY, "can't be made");
  return lock(RUN_DIRECTORY);
}

static int refuse(void) {
  report_begin("end");
  report_text("status", "refused", 7);
  report_text("code", failure.code, strlen(failure.code));
  report_text("path", failure.path, strlen(failure.path));
  report_text("message", failure.message, strlen(failure.message));
  report_integer("scripts", 0);
  report_end();
  return EXIT_REFUSED;
}

static int finish_recovery(int result) {
  if (result < 0) {
    refuse();
    return EXIT_STUCK;
  }
  report_begin("end");
  report_text("status", "recovered", 9);
  report_integer("scripts", 0);
  report_end();
  return EXIT_DONE;
}

int main(int argc, char **argv) {
  struct arguments arguments = {0};
  if (!parse(argc, argv, &arguments)) {
    fprintf(stderr, "usage: agent apply --stream FILE [--root DIRECTORY] [--report FILE] [--script-timeout SECONDS]\n"
                    "       agent recover [--root DIRECTORY] [--report FILE]\n");
    return EXIT_USAGE;
  }
  struct replay_options options = {.live = !arguments.root,
                                   .script_timeout = arguments.script_timeout ? (unsigned)atoi(arguments.script_timeout) : 600};
  umask(022);
  /* All that is outside of the root is opened before it is entered. */
  int report = arguments.report ? open(arguments.report, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : STDOUT_FILENO;
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  int source = arguments.stream ? open(arguments.stream, O_RDONLY | O_CLOEXEC) : -1;
  if (report < 0 || null < 0 || (arguments.stream && source < 0)) {
    perror("agent");
    return EXIT_USAGE;
  }
  report_to(report);
  process_setup(null);
  if (options.live) leave_control_group();

  struct stream stream;
  bool applying = strcmp(arguments.command, "apply") == 0;
  if (applying && stream_load(&stream, source, true) < 0) return refuse();
  if (enter(arguments.root) < 0) return refuse();
  if (applying) return replay(&stream, &options);
  return finish_recovery(locks_take() < 0 ? -1 : recover_all());
}
