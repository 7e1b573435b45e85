/*
 * What a redirected program runs instead of itself. It says and returns what its arguments tell it:
 *
 *   stub STATUS OUTPUT ERRORS
 *
 * With other arguments it exits 0 at once. It takes nothing from its surroundings (no loader, no libc, no files),
 * because those belong to the guest.
 */
#include <stddef.h>

static long system_call(long number, long first, long second, long third) {
#if defined(__x86_64__)
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(first), "S"(second), "d"(third)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long call __asm__("x8") = number;
  register long x0 __asm__("x0") = first;
  register long x1 __asm__("x1") = second;
  register long x2 __asm__("x2") = third;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(call), "r"(x1), "r"(x2) : "memory");
  return x0;
#else
#error "the stub is not written for this architecture"
#endif
}

#if defined(__x86_64__)
enum { CALL_WRITE = 1, CALL_EXIT_GROUP = 231 };
/* The kernel enters with argc at the stack pointer, System V ABI 3.4.1. */
__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall stub\n");
#else
enum { CALL_WRITE = 64, CALL_EXIT_GROUP = 94 };
__asm__(".globl _start\n_start:\n\tmov x0, sp\n\tbl stub\n");
#endif

/* Until all is written: a reader may be slow. One that is gone ends us by SIGPIPE, as any program. */
static void say(int descriptor, const char *text) {
  long length = 0;
  while (text[length]) length++;
  while (length > 0) {
    long written = system_call(CALL_WRITE, descriptor, (long)text, length);
    if (written <= 0) return;
    text += written;
    length -= written;
  }
}

/* Decimal; anything else is 0. */
static int number(const char *text) {
  int value = 0;
  for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (*text - '0');
  return *text ? 0 : value;
}

__attribute__((noreturn, used)) void stub(char **stack) {
  size_t count = (size_t)stack[0];
  char **arguments = stack + 1;
  int status = 0;
  if (count == 4) {
    status = number(arguments[1]);
    say(1, arguments[2]);
    say(2, arguments[3]);
  }
  for (;;) system_call(CALL_EXIT_GROUP, status, 0, 0);
}
