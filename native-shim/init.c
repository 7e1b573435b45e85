/*
 * The first process of the sandbox, a static program of ours: pid 1 belongs to the guest's own init, so the
 * command must run under another number. It starts the command, collects orphans as an init does, and ends
 * with the command's exit status (128 + signal when one killed it); the kernel then ends whatever is left.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 2) return 125;
  pid_t command = fork();
  if (command < 0) return 125;
  if (command == 0) {
    execvp(argv[1], argv + 1);
    int error = errno;
    dprintf(STDERR_FILENO, "%s: %s\n", argv[1], strerror(error));
    _exit(error == ENOENT ? 127 : 126);
  }
  for (;;) {
    int status;
    pid_t ended = wait(&status);
    if (ended < 0 && errno != EINTR) return 125;
    if (ended != command) continue;
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
  }
}
