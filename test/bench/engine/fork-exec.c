/*
 * Forks, executes a program and waits for its end, one after the other, as often as it is told, and says how many
 * seconds that took. usage: fork-exec COUNT PROGRAM
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  long count = atol(argv[1]);
  double start = now();
  for (long i = 0; i < count; i++) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
      execl(argv[2], argv[2], (char *)NULL);
      _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) return 1;
  }
  printf("seconds %.6f\n", now() - start);
  return 0;
}
