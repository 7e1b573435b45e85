/*
 * Runs a program to its end, without anybody hearing what it says, and then becomes another one:
 *
 *   rehearse COUNT PROGRAM WORD... END WORD...
 *
 * COUNT words are the arguments of PROGRAM, from argv[0] on; those after END are END's. A static program of ours, as
 * init.c: libraries in the sandbox are the guest's. How the program ends does not matter, and after a while it has to.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
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

static void over(int signal) { (void)signal; }

int main(int argc, char **argv) {
  int count = argc > 2 ? atoi(argv[1]) : 0;
  if (count < 1 || count >= argc - 4) return 125;
  pid_t child = fork();
  if (child == 0) run(argv + 2, count);
  sigaction(SIGALRM, &(struct sigaction){.sa_handler = over}, NULL);
  alarm(LIMIT);
  while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) kill(child, SIGKILL);
  alarm(0);
  char **end = argv + 3 + count;
  execv(end[0], end + 1);
  return 125;
}
