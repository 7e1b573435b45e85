/* Paths that a tracee gives: read once, and made absolute by name alone, as its own root and directories stand. */
#include "trace-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* The first `length` bytes without what the last slash begins, but never less than `floor`. */
static size_t parent_of(const char *path, size_t length, size_t floor) {
  while (length > floor && path[length - 1] != '/') length--;
  return length > floor ? length - 1 : floor;
}

/* `path` below `base`, without empty, `.` and `..` names. No `..` leads above the first `floor` bytes. */
static void join(char *result, const char *base, const char *path, size_t floor) {
  size_t length = strlen(base);
  memcpy(result, base, length);
  while (length > 0 && result[length - 1] == '/') length--;
  for (const char *name = path; *name;) {
    size_t size = strcspn(name, "/");
    if (size == 2 && memcmp(name, "..", 2) == 0) {
      length = parent_of(result, length, floor);
    } else if (size > 0 && !(size == 1 && *name == '.')) {
      result[length++] = '/';
      memcpy(result + length, name, size);
      length += size;
    }
    name += size + (name[size] == '/');
  }
  if (length == 0) result[length++] = '/';
  result[length] = 0;
}

/* Of a process that was killed at this moment its root and directories are gone first. */
static int read_link(pid_t tid, const char *name, char *target) {
  int length = proc_readlink(tid, name, target, PATH_MAX);
  return length == -ENOENT ? -ESRCH : length;
}

static int read_base(struct place *place, pid_t tid, int directory) {
  char name[24];
  if (place->path[0] == '/') {
    strcpy(place->base, place->root);
    return 0;
  }
  if (directory == AT_FDCWD) return read_link(tid, "cwd", place->base);
  snprintf(name, sizeof name, "fd/%d", directory);
  int length = proc_readlink(tid, name, place->base, sizeof place->base);
  return length == -ENOENT ? -EBADF : length;
}

int place_read(struct place *place, pid_t tid, uint64_t path, int directory) {
  int length = memory_read_string(tid, path, (uint8_t *)place->path, sizeof place->path);
  if (length >= 0) length = read_link(tid, "root", place->root);
  if (length >= 0) length = read_base(place, tid, directory);
  if (length < 0) return length;
  size_t root = strcmp(place->root, "/") == 0 ? 0 : strlen(place->root);
  bool inside = strncmp(place->base, place->root, root) == 0 && (place->base[root] == '/' || !place->base[root]);
  join(place->absolute, place->base, place->path, inside ? root : 0);
  return 0;
}

bool path_is_within(const char *path, char *const *places) {
  for (; *places; places++) {
    size_t length = strlen(*places);
    if (strncmp(path, *places, length) == 0 && (path[length] == '/' || !path[length])) return true;
  }
  return false;
}
