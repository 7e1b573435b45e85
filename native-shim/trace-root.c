/* Paths as the tracee would find them: resolved by the kernel, inside the tracee's own root. */
#include "trace-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPEN_TRIES 64

int open_in_root(pid_t tid, const char *path, uint64_t resolve) {
  char root[32];
  struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | resolve};
  snprintf(root, sizeof root, "/proc/%d/root", (int)tid);
  int directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;
  if (directory < 0) return -errno;
  /* EAGAIN: something was renamed meanwhile, which a hostile guest could go on doing for ever. */
  int tries = 0;
  do fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
  while (fd < 0 && (errno == EINTR || errno == EAGAIN) && ++tries < OPEN_TRIES);
  int error = fd < 0 ? -errno : 0;
  close(directory);
  return error ? error : fd;
}

int named_read(struct named *named, pid_t tid, uint64_t address, int directory) {
  named->address = address;
  named->directory = directory;
  named->path[0] = 0;
  if (!address) return 0;
  int length = memory_read_string(tid, address, (uint8_t *)named->path, sizeof named->path);
  if (length >= 0) return 0;
  named->path[0] = 0;
  return length;
}

static int base_of(const struct named *named, pid_t tid, char *base, size_t room) {
  char name[24];
  if (named->directory == AT_FDCWD) return proc_readlink(tid, "cwd", base, room);
  snprintf(name, sizeof name, "fd/%d", named->directory);
  return proc_readlink(tid, name, base, room);
}

/* The base as the tracee's root sees it; one outside of its root counts as that root. */
static int base_in_root(const struct named *named, pid_t tid, char *base, size_t room) {
  char root[PATH_MAX];
  int length = base_of(named, tid, base, room);
  if (length >= 0) length = proc_readlink(tid, "root", root, sizeof root);
  if (length < 0) return length;
  size_t prefix = strcmp(root, "/") == 0 ? 0 : strlen(root);
  if (strncmp(base, root, prefix) != 0 || (base[prefix] && base[prefix] != '/')) prefix = strlen(base);
  memmove(base, base + prefix, strlen(base + prefix) + 1);
  return 0;
}

/*
 * What a process finds below these depends on who looks: our look would find, and have the shadow proc note,
 * something else.
 */
static bool is_of_the_looker(const char *path) {
  return strncmp(path, "/proc/", 6) == 0 || (strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0);
}

/* The first `length` bytes of the path, opened. */
static int open_part(const struct named *named, pid_t tid, size_t length) {
  char path[2 * PATH_MAX + 2] = "";
  size_t start = 0;
  if (named->path[0] != '/') {
    int error = base_in_root(named, tid, path, PATH_MAX);
    if (error) return error;
    start = strlen(path);
    path[start++] = '/';
  }
  memcpy(path + start, named->path, length);
  path[start + length] = 0;
  return is_of_the_looker(path) ? -ELOOP : open_in_root(tid, path, 0);
}

bool named_exists(const struct named *named, pid_t tid) {
  int fd = open_part(named, tid, strlen(named->path));
  if (fd >= 0) close(fd);
  return fd != -ENOENT;
}

static int path_of(int fd, char *path, size_t room) {
  char name[40];
  snprintf(name, sizeof name, "fd/%d", fd);
  int length = proc_readlink(getpid(), name, path, room);
  close(fd);
  return length;
}

static int locate(const struct named *named, pid_t tid, bool follow, char *result, size_t room) {
  const char *path = named->path;
  size_t length = strlen(path);
  if (length == 0) return base_of(named, tid, result, room) < 0 ? -EBADF : 0;
  while (length > 1 && path[length - 1] == '/') length--;
  size_t last = length;
  while (last > 0 && path[last - 1] != '/') last--;
  const char *name = path + last;
  size_t size = length - last;
  bool dots = size == 0 || (size == 1 && name[0] == '.') || (size == 2 && name[0] == '.' && name[1] == '.');
  if (follow || dots) {
    int fd = open_part(named, tid, length);
    return fd < 0 ? fd : path_of(fd, result, room) < 0 ? -ENOENT : 0;
  }
  int got = last == 0 ? base_of(named, tid, result, room) : open_part(named, tid, last);
  if (got >= 0 && last > 0) got = path_of(got, result, room);
  if (got < 0) return got;
  size_t start = strcmp(result, "/") == 0 ? 0 : strlen(result);
  if (start + size + 2 > room) return -ENAMETOOLONG;
  result[start] = '/';
  memcpy(result + start + 1, name, size);
  result[start + 1 + size] = 0;
  return 0;
}

int named_locate(const struct named *named, pid_t tid, bool follow, char *result, size_t room) {
  int error = locate(named, tid, follow, result, room);
  if (!error || !named->path[0]) return error;
  /* Its directory cannot be looked at, or is not there: by name alone. */
  struct place place;
  error = place_read(&place, tid, named->address, named->directory);
  if (!error) snprintf(result, room, "%s", place.absolute);
  return error;
}
