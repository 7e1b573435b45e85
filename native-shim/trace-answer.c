/* Answers that need no decision. */
#include "trace-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

#define NEW_FIELD 65 /* __NEW_UTS_LEN + 1 */
#define OLDOLD_FIELD 9 /* __OLD_UTS_LEN + 1 */
#define OLD_FIELDS 5

static size_t variant_of(uint32_t personality) {
  return ((personality & PER_MASK) == PER_LINUX32 ? 1 : 0) + (personality & UNAME26 ? 2 : 0);
}

/* kernel/sys.c: newuname copies all six fields, uname the first five, olduname eight bytes of each of five. */
void answer_uname(struct run *run, struct tracee *tracee) {
  if (!run->has_uname) return;
  const uint8_t *names = run->uname + variant_of(tracee->personality) * UTSNAME_SIZE;
  uint8_t oldold[OLD_FIELDS * OLDOLD_FIELD] = {0};
  size_t length = UTSNAME_SIZE;
  if (tracee->call.answer == OUA_ANSWER_OLD_UNAME) length = OLD_FIELDS * NEW_FIELD;
  if (tracee->call.answer == OUA_ANSWER_OLDOLD_UNAME) {
    for (int i = 0; i < OLD_FIELDS; i++)
      memcpy(oldold + i * OLDOLD_FIELD, names + i * NEW_FIELD, OLDOLD_FIELD - 1);
    names = oldold;
    length = sizeof oldold;
  }
  ssize_t written = memory_write(tracee->tid, tracee->call.args[0], names, length);
  if (arch_skip_call(tracee->tid, written == (ssize_t)length ? 0 : -EFAULT) == 0) run->counts.answered++;
}

void answer_personality(struct tracee *tracee) {
  char path[40], text[16] = {0};
  snprintf(path, sizeof path, "/proc/%d/personality", (int)tracee->tid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (read(fd, text, sizeof text - 1) > 0) tracee->personality = (uint32_t)strtoul(text, NULL, 16);
  close(fd);
}

/* statfs(2): `f_type` comes first, and its low half is all of it. Tracees' FUSE file systems are our /proc and /sys. */
void answer_statfs(struct run *run, struct tracee *tracee, int64_t result) {
  static const uint32_t ours = FUSE_SUPER_MAGIC, theirs = PROC_SUPER_MAGIC;
  uint64_t buffer = tracee->call.args[tracee->call.answer == OUA_ANSWER_STATFS64 ? 2 : 1];
  uint32_t type;
  if (result != 0 || memory_read(tracee->tid, buffer, &type, sizeof type) != sizeof type || type != ours) return;
  if (memory_write(tracee->tid, buffer, &theirs, sizeof theirs) == sizeof theirs) run->counts.answered++;
}
