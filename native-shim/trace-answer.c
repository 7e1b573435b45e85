/* Answers that need no decision. */
#include "trace-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

#define NEW_FIELD 65 /* __NEW_UTS_LEN + 1 */
#define OLDOLD_FIELD 9 /* __OLD_UTS_LEN + 1 */
#define OLD_FIELDS 5

/* kernel/sys.c: newuname copies all six fields, uname the first five, olduname eight bytes of each of five. */
void answer_uname(struct run *run, struct tracee *tracee) {
  if (!run->has_uname) return;
  bool linux32 = (tracee->personality & PER_MASK) == PER_LINUX32;
  const uint8_t *names = run->uname + (linux32 ? UTSNAME_SIZE : 0);
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

/* `<hidden>/<pid>/<name>` → the pid and the name, or 0. */
static pid_t parse_hidden(const char *hidden, const char *text, const char **name) {
  size_t length = strlen(hidden);
  if (strncmp(text, hidden, length) != 0 || text[length] != '/') return 0;
  char *end;
  long pid = strtol(text + length + 1, &end, 10);
  if (pid <= 0 || pid > INT_MAX || *end != '/') return 0;
  *name = end + 1;
  static const char *const links[] = {"exe", "cwd", "root"};
  for (size_t i = 0; i < sizeof links / sizeof *links; i++)
    if (strcmp(*name, links[i]) == 0) return (pid_t)pid;
  return 0;
}

/* What a reader inside a chroot sees of a path. */
static const char *below_root(const char *root, const char *path) {
  size_t length = strlen(root);
  if (strcmp(root, "/") == 0 || strncmp(path, root, length) != 0) return path;
  return path[length] == '/' ? path + length : path[length] == 0 ? "/" : path;
}

void answer_readlink(struct run *run, struct tracee *tracee, int64_t result) {
  char text[PATH_MAX], target[PATH_MAX], root[PATH_MAX];
  const char *name;
  int first = tracee->call.answer == OUA_ANSWER_READLINKAT ? 2 : 1;
  uint64_t address = tracee->call.args[first], room = tracee->call.args[first + 1] & INT_MAX;
  size_t length = (size_t)result;
  if (!run->hidden_proc || length >= sizeof text || length <= strlen(run->hidden_proc)) return;
  if (memory_read(tracee->tid, address, text, length) != (ssize_t)length) return;
  text[length] = 0;
  pid_t ns_pid = parse_hidden(run->hidden_proc, text, &name);
  if (ns_pid == 0) return;
  pid_t pid = pid_on_host(run, tracee, ns_pid);
  int got = pid ? proc_readlink(pid, name, target, sizeof target) : -ENOENT;
  if (got >= 0) got = proc_readlink(tracee->tid, "root", root, sizeof root);
  if (got < 0) {
    arch_set_result(tracee->tid, got);
    return;
  }
  const char *seen = below_root(root, target);
  length = strlen(seen);
  if (length > room) length = room;
  ssize_t written = memory_write(tracee->tid, address, seen, length);
  arch_set_result(tracee->tid, written == (ssize_t)length ? written : -EFAULT);
  run->counts.answered++;
}
