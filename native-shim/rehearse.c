/*
 * Runs a program to its end, without anybody hearing what it says, and then becomes another one:
 *
 *   rehearse COUNT PROGRAM WORD... END WORD...
 *
 * COUNT words are the arguments of PROGRAM, from argv[0] on; those after END are END's. A static program of ours, as
 * init.c: libraries in the sandbox are the guest's. How the program ends does not matter, and after a while it has to.
 *
 * What the program leaves becomes a child of ours, and of nobody else: a process whose parent was killed before it told of
 * it is known by that.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Seconds. What waits for the running system would wait for ever. */
enum { LIMIT = 60 };

static void run(char **program, int count) {
  int nothing = open("/dev/null", O_RDWR);
  char **arguments = calloc((size_t)count + 1, sizeof *arguments);
  if (nothing < 0 || !arguments) _exit(126);
  for (int i = 0; i < count; i++) arguments[i] = program[1 + i];
  for (int i = 0; i < 3; i++) dup2(nothing, i);
  if (nothing > 2) close(nothing);
  execv(program[0], arguments);
  _exit(126);
}

static volatile sig_atomic_t late;

/* Again and again: the first one may come when nobody waits. */
static void over(int signal) {
  (void)signal;
  late = 1;
  alarm(1);
}

/* Its orphans are reaped as init would. */
static void await(pid_t child) {
  for (;;) {
    pid_t ended = waitpid(-1, NULL, 0);
    if (ended == child || (ended < 0 && errno != EINTR)) return;
    if (late) kill(child, SIGKILL);
  }
}

int main(int argc, char **argv) {
  int count = argc > 2 ? atoi(argv[1]) : 0;
  if (count < 1 || count >= argc - 4) return 125;
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  pid_t child = fork();
  if (child == 0) run(argv + 2, count);
  sigaction(SIGALRM, &(struct sigaction){.sa_handler = over}, NULL);
  alarm(LIMIT);
  if (child > 0) await(child);
  alarm(0);
  char **end = argv + 3 + count;
  execv(end[0], end + 1);
  return 125;
}
