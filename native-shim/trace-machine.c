/* What the machine is: its memory and load, and the CPUs that a thread may run on. */
#include "trace-internal.h"

#include <errno.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <string.h>

#define CPU_BYTES_MAX 1024u /* NR_CPUS of distributions' kernels is at most 8192 */

void answer_sysinfo(struct run *run, struct tracee *tracee) {
  if (!run->has_sysinfo) return;
  bool compat = tracee->call.arch == AUDIT_ARCH_I386;
  size_t length = compat ? COMPAT_SYSINFO_SIZE : SYSINFO_SIZE;
  const uint8_t *info = run->sysinfo + (compat ? SYSINFO_SIZE : 0);
  ssize_t written = memory_write(tracee->tid, tracee->call.args[0], info, length);
  if (arch_skip_call(tracee->tid, written == (ssize_t)length ? 0 : -EFAULT) == 0) run->counts.answered++;
}

/* kernel/sched: a mask has to hold nr_cpu_ids bits in whole longs, and is cut to what the kernel itself keeps. */
static int64_t get_affinity(struct run *run, struct tracee *tracee, const struct tracee *target) {
  uint32_t room = (uint32_t)tracee->call.args[1];
  uint32_t word = tracee->call.arch == AUDIT_ARCH_I386 ? 4 : 8;
  if (room * 8 < run->cpu_ids || room % word != 0) return -EINVAL;
  size_t length = room < run->cpus_size ? room : run->cpus_size;
  const uint8_t *mask = target->affinity ? target->affinity : run->cpus;
  ssize_t written = memory_write(tracee->tid, tracee->call.args[2], mask, length);
  return written == (ssize_t)length ? (int64_t)length : -EFAULT;
}

/* check_same_owner(), kernel/sched. The guest's root has CAP_SYS_NICE, whatever the sandbox left to it. */
static bool may_schedule(const struct tracee *caller, const struct tracee *target) {
  pid_t user = proc_status_number(caller->tid, "Uid", true);
  return user == 0 || user == proc_status_number(target->tid, "Uid", false) ||
         user == proc_status_number(target->tid, "Uid", true);
}

static int64_t set_affinity(struct run *run, struct tracee *tracee, struct tracee *target) {
  uint8_t mask[CPU_BYTES_MAX] = {0}, any = 0;
  uint32_t given = (uint32_t)tracee->call.args[1];
  size_t length = given < run->cpus_size ? given : run->cpus_size;
  if (length > 0 && memory_read(tracee->tid, tracee->call.args[2], mask, length) != (ssize_t)length) return -EFAULT;
  if (!may_schedule(tracee, target)) return -EPERM;
  for (size_t i = 0; i < run->cpus_size; i++) any |= mask[i] &= run->cpus[i];
  if (!any) return -EINVAL;
  uint8_t *kept = malloc(run->cpus_size);
  if (!kept) return -ENOMEM;
  memcpy(kept, mask, run->cpus_size);
  free(target->affinity);
  target->affinity = kept;
  return 0;
}

bool answer_affinity(struct run *run, struct tracee *tracee) {
  struct tracee *target = run->cpus ? pid_tracee(run, tracee, (pid_t)tracee->call.args[0]) : NULL;
  /* The sandbox's first process stands for the guest's. */
  if (!target || (run->guest_pids && (pid_t)tracee->call.args[0] == 1 && target->tgid != tracee->tgid)) return false;
  int64_t result = tracee->call.answer == OUA_ANSWER_GET_AFFINITY ? get_affinity(run, tracee, target)
                                                                  : set_affinity(run, tracee, target);
  if (arch_skip_call(tracee->tid, result) == 0) run->counts.answered++;
  return true;
}

bool affinity_inherit(const struct run *run, const struct tracee *parent, struct tracee *child) {
  if (!parent->affinity) return true;
  child->affinity = malloc(run->cpus_size);
  if (child->affinity) memcpy(child->affinity, parent->affinity, run->cpus_size);
  return child->affinity != NULL;
}

int32_t oua_trace_set_sysinfo(int32_t handle, const uint8_t *info, int32_t length) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  if (length != (int32_t)sizeof run->sysinfo) return -EINVAL;
  memcpy(run->sysinfo, info, sizeof run->sysinfo);
  run->has_sysinfo = true;
  return 0;
}

int32_t oua_trace_set_cpus(int32_t handle, int32_t ids, const uint8_t *mask, int32_t length) {
  struct run *run = run_of(handle);
  if (!run) return -ESRCH;
  size_t size = (size_t)length;
  if (ids <= 0 || length <= 0 || length % 8 != 0 || size > CPU_BYTES_MAX || (size_t)ids > size * 8 || run->cpus)
    return -EINVAL;
  run->cpus = malloc(size);
  if (!run->cpus) return -ENOMEM;
  memcpy(run->cpus, mask, size);
  run->cpu_ids = (uint32_t)ids;
  run->cpus_size = size;
  cpu_open(run);
  return 0;
}
