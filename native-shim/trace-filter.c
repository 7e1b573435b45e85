/*
 * The run's own seccomp filter once more, in user space. A tracee may install filters of its own, and the newest
 * one that says SECCOMP_RET_TRACE names the row: only running ours again tells whose word a stop is.
 */
#include "trace-internal.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int filter_keep(struct run *run, const struct sock_filter *program, size_t length) {
  struct sock_filter *copy = calloc(length + 1, sizeof *copy);
  if (!copy) return -ENOMEM;
  memcpy(copy, program, length * sizeof *copy);
  free(run->filter);
  run->filter = copy;
  run->filter_length = length;
  return 0;
}

/* Only the instructions that src/tracer/bpf.ts generates; any other ends it. Jumps lead forwards, so this ends. */
static uint32_t verdict_of(const struct run *run, const struct seccomp_data *data) {
  uint32_t value = 0;
  for (size_t at = 0; at < run->filter_length; at++) {
    const struct sock_filter *step = &run->filter[at];
    switch (step->code) {
    case BPF_LD | BPF_W | BPF_ABS:
      if (step->k > sizeof *data - sizeof value) return SECCOMP_RET_ALLOW;
      memcpy(&value, (const uint8_t *)data + step->k, sizeof value);
      break;
    case BPF_JMP | BPF_JA:
      at += step->k;
      break;
    case BPF_JMP | BPF_JEQ | BPF_K:
      at += value == step->k ? step->jt : step->jf;
      break;
    case BPF_JMP | BPF_JSET | BPF_K:
      at += value & step->k ? step->jt : step->jf;
      break;
    case BPF_RET | BPF_K:
      return step->k;
    default:
      return SECCOMP_RET_ALLOW;
    }
  }
  return SECCOMP_RET_ALLOW;
}

bool filter_named(const struct run *run, const struct call *call) {
  struct seccomp_data data = {.nr = call->number, .arch = call->arch};
  for (int i = 0; i < 6; i++) data.args[i] = call->args[i];
  return verdict_of(run, &data) == (SECCOMP_RET_TRACE | call->row);
}
