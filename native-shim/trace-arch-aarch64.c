/* Registers and calling convention of aarch64. The filter refuses every call of 32-bit ARM programs. */
#include "trace-internal.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

/* How many arguments a call of ours is ever given anew: execveat has the most. */
#define CHANGED_ARGUMENTS 5

/* The kernel gives the register set of the program's own kind. Result: its length, or -errno. */
static ssize_t get_registers(pid_t tid, struct user_regs_struct *registers) {
  struct iovec set = {registers, sizeof *registers};
  return ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &set) < 0 ? -errno : (ssize_t)set.iov_len;
}

/* `count` of x0 to x30, from `first` on. */
static int set_registers(pid_t tid, int first, int count, const uint64_t *values) {
  struct user_regs_struct registers;
  ssize_t length = get_registers(tid, &registers);
  if (length < 0) return (int)length;
  for (int i = 0; i < count; i++) registers.regs[first + i] = values[i];
  struct iovec set = {&registers, (size_t)length};
  return ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &set) < 0 ? -errno : 0;
}

int arch_call_pointer_size(uint32_t arch, uint64_t number) {
  (void)number;
  return arch == AUDIT_ARCH_AARCH64 ? 8 : 4;
}

int arch_set_result(pid_t tid, int64_t result) {
  uint64_t value = (uint64_t)result;
  return set_registers(tid, 0, 1, &value);
}

/* The number is no general register here. */
static int set_number(pid_t tid, int number) {
  struct iovec set = {&number, sizeof number};
  return ptrace(PTRACE_SETREGSET, tid, (void *)NT_ARM_SYSTEM_CALL, &set) < 0 ? -errno : 0;
}

/* With number -1 the kernel runs no call and leaves x0 as it was set. */
int arch_skip_call(pid_t tid, int64_t result) {
  int error = set_number(tid, -1);
  return error ? error : arch_set_result(tid, result);
}

int arch_become_signalfd4(pid_t tid, const struct call *call) {
  (void)call;
  return set_number(tid, SYS_signalfd4);
}

int arch_set_argument(pid_t tid, const struct call *call, int index, uint64_t value) {
  (void)call;
  return set_registers(tid, index, 1, &value);
}

/*
 * x0 holds the result by now. A call that is made again begins with orig_x0, which is the kernel's own copy
 * of the first argument from before our change (arch/arm64/kernel/signal.c), so that only the others are put
 * back.
 */
int arch_restore_arguments(pid_t tid, const struct call *call) {
  return set_registers(tid, 1, CHANGED_ARGUMENTS - 1, call->args + 1);
}

int arch_stack_pointer(pid_t tid, uint64_t *address) {
  struct user_regs_struct registers;
  ssize_t length = get_registers(tid, &registers);
  if (length < 0) return (int)length;
  *address = registers.sp;
  return 0;
}

/* The procedure call standard has no red zone. */
int arch_free_stack(pid_t tid, uint64_t *address) { return arch_stack_pointer(tid, address); }

int arch_pointer_size(pid_t tid) {
  struct user_regs_struct registers;
  ssize_t length = get_registers(tid, &registers);
  if (length < 0) return (int)length;
  return length == sizeof registers ? 8 : 4;
}
