/* Registers and calling conventions of x86-64, with i386 and x32 programs. */
#include "trace-internal.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#define X32_BIT 0x40000000u
#define I386_SIGNALFD4 327u /* asm/unistd_32.h */
/* System V ABI, 3.2.2: what a function may use below its stack pointer. */
#define RED_ZONE 128u
/* How many arguments a call of ours is ever given anew: execveat has the most. */
#define CHANGED_ARGUMENTS 5

static int poke(pid_t tid, size_t offset, uint64_t value) {
  return ptrace(PTRACE_POKEUSER, tid, (void *)offset, (void *)value) < 0 ? -errno : 0;
}

int arch_call_pointer_size(uint32_t arch, uint64_t number) {
  return arch == AUDIT_ARCH_I386 || (number & X32_BIT) ? 4 : 8;
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

int arch_become_signalfd4(pid_t tid, const struct call *call) {
  uint64_t number = call->pointer_size == 4 ? X32_BIT | SYS_signalfd4 : SYS_signalfd4;
  if (call->arch == AUDIT_ARCH_I386) number = I386_SIGNALFD4;
  return poke(tid, offsetof(struct user_regs_struct, orig_rax), number);
}

int arch_restore_arguments(pid_t tid, const struct call *call) {
  int error = 0;
  for (int i = 0; !error && i < CHANGED_ARGUMENTS; i++) error = arch_set_argument(tid, call, i, call->args[i]);
  return error;
}

int arch_stack_pointer(pid_t tid, uint64_t *address) {
  struct user_regs_struct registers;
  if (ptrace(PTRACE_GETREGS, tid, NULL, &registers) < 0) return -errno;
  *address = registers.rsp;
  return 0;
}

int arch_free_stack(pid_t tid, uint64_t *address) {
  int error = arch_stack_pointer(tid, address);
  *address -= error ? 0 : RED_ZONE;
  return error;
}

/* The kernel gives the register set of the program's own kind: its length tells which. */
int arch_pointer_size(pid_t tid) {
  struct user_regs_struct registers;
  struct iovec set = {&registers, sizeof registers};
  if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &set) < 0) return -errno;
  return set.iov_len == sizeof registers ? 8 : 4;
}
