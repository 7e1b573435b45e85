/* Calls and their results, which every machine's kernel tells in one form. */
#include "trace-internal.h"

#include <errno.h>

static int get_info(pid_t tid, struct __ptrace_syscall_info *info) {
  long size = ptrace(PTRACE_GET_SYSCALL_INFO, tid, (void *)sizeof *info, info);
  return size < 0 ? -errno : 0;
}

int arch_read_call(pid_t tid, struct call *call) {
  struct __ptrace_syscall_info info;
  int error = get_info(tid, &info);
  if (error) return error;
  if (info.op != PTRACE_SYSCALL_INFO_SECCOMP) return -EINVAL;
  call->arch = info.arch;
  call->number = (int32_t)info.seccomp.nr;
  call->row = (uint16_t)info.seccomp.ret_data;
  call->pointer_size = (uint8_t)arch_call_pointer_size(info.arch, info.seccomp.nr);
  for (int i = 0; i < 6; i++) call->args[i] = info.seccomp.args[i];
  return 0;
}

int arch_exit_result(pid_t tid, int64_t *result) {
  struct __ptrace_syscall_info info;
  int error = get_info(tid, &info);
  if (error) return error;
  if (info.op != PTRACE_SYSCALL_INFO_EXIT) return 0;
  *result = info.exit.rval;
  return 1;
}
