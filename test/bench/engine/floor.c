/*
 * The smallest tracer that answers uname(2): waitpid, GETREGS, process_vm_writev, SETREGS, CONT. No engine that
 * works by these means can be faster. usage: floor PROGRAM [ARGUMENT …]
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

static void install(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_uname, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {sizeof code / sizeof *code, code};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0) _exit(126);
}

static void answer(pid_t pid, const struct utsname *names) {
  struct user_regs_struct registers;
  if (ptrace(PTRACE_GETREGS, pid, NULL, &registers) < 0) return;
  struct iovec from = {(void *)names, sizeof *names}, to = {(void *)registers.rdi, sizeof *names};
  registers.rax = process_vm_writev(pid, &from, 1, &to, 1, 0) < 0 ? -1 : 0;
  registers.orig_rax = -1;
  ptrace(PTRACE_SETREGS, pid, NULL, &registers);
}

int main(int argc, char **argv) {
  struct utsname names = {.sysname = "Linux", .nodename = "suspended", .release = "6.1.0", .machine = "x86_64"};
  if (argc < 2) return 125;
  pid_t pid = fork();
  if (pid == 0) {
    /* As our engine's: sessions are what the scheduler's autogroups go by. */
    setsid();
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0) _exit(126);
    install();
    execvp(argv[1], argv + 1);
    _exit(127);
  }
  int status;
  if (pid < 0 || waitpid(pid, &status, 0) != pid) return 125;
  ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP));
  ptrace(PTRACE_CONT, pid, NULL, NULL);
  while (waitpid(pid, &status, 0) == pid && !WIFEXITED(status) && !WIFSIGNALED(status)) {
    int event = status >> 8, signal = 0;
    if (event == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8))
      answer(pid, &names);
    else if (event != SIGTRAP) /* an exec */
      signal = WSTOPSIG(status);
    ptrace(PTRACE_CONT, pid, NULL, (void *)(long)signal);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
