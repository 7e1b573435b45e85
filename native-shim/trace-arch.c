/* All that is special to a machine's registers and calling convention. */
#include "trace-internal.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <stddef.h>
#include <sys/uio.h>
#include <sys/user.h>

#if !defined(__x86_64__)
#error "the engine's registers are not written for this architecture"
#endif

#define X32_BIT 0x40000000u

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
  call->row = (uint16_t)info.seccomp.ret_data;
  call->pointer_size = info.arch == AUDIT_ARCH_I386 || (info.seccomp.nr & X32_BIT) ? 4 : 8;
  for (int i = 0; i < 6; i++) call->args[i] = info.seccomp.args[i];
  return 0;
}

static int poke(pid_t tid, size_t offset, uint64_t value) {
  return ptrace(PTRACE_POKEUSER, tid, (void *)offset, (void *)value) < 0 ? -errno : 0;
}

int arch_set_result(pid_t tid, int64_t result) {
  return poke(tid, offsetof(struct user_regs_struct, rax), (uint64_t)result);
}

/* With number -1 the kernel runs no call and leaves the result as it was set. */
int arch_skip_call(pid_t tid, int64_t result) {
  int error = poke(tid, offsetof(struct user_regs_struct, orig_rax), UINT64_MAX);
  return error ? error : arch_set_result(tid, result);
}

int arch_set_argument(pid_t tid, const struct call *call, int index, uint64_t value) {
  static const size_t native[] = {
      offsetof(struct user_regs_struct, rdi), offsetof(struct user_regs_struct, rsi),
      offsetof(struct user_regs_struct, rdx), offsetof(struct user_regs_struct, r10),
      offsetof(struct user_regs_struct, r8),  offsetof(struct user_regs_struct, r9)};
  static const size_t i386[] = {
      offsetof(struct user_regs_struct, rbx), offsetof(struct user_regs_struct, rcx),
      offsetof(struct user_regs_struct, rdx), offsetof(struct user_regs_struct, rsi),
      offsetof(struct user_regs_struct, rdi), offsetof(struct user_regs_struct, rbp)};
  return poke(tid, (call->arch == AUDIT_ARCH_I386 ? i386 : native)[index], value);
}

int arch_stack_pointer(pid_t tid, uint64_t *address) {
  struct user_regs_struct registers;
  if (ptrace(PTRACE_GETREGS, tid, NULL, &registers) < 0) return -errno;
  *address = registers.rsp;
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

/* The kernel gives the register set of the program's own kind: its length tells which. */
int arch_pointer_size(pid_t tid) {
  struct user_regs_struct registers;
  struct iovec set = {&registers, sizeof registers};
  if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &set) < 0) return -errno;
  return set.iov_len == sizeof registers ? 8 : 4;
}
