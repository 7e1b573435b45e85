#include "metadata.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define XATTR_LIST_SIZE 65536 /* XATTR_LIST_MAX of the kernel */

/*
 * Attributes that a plan knows in full: those that it does not name are removed. Security modules' labels
 * and what the kernel keeps for itself stay.
 */
static bool ours(const char *name) {
  return strncmp(name, "user.", 5) == 0 || strncmp(name, "system.posix_acl_", 17) == 0 ||
         strcmp(name, "security.capability") == 0;
}

static char *list_xattrs(int fd, ssize_t *size) {
  char *names = malloc(XATTR_LIST_SIZE);
  if (!names) abort();
  *size = flistxattr(fd, names, XATTR_LIST_SIZE);
  if (*size < 0 && errno == ENOTSUP) *size = 0;
  return names;
}

static bool keeps(const struct change *change, const char *name) {
  for (uint32_t i = 0; i < change->xattr_count; i++)
    if (strcmp(change->xattrs[i].name, name) == 0) return true;
  return false;
}

static int drop_other_xattrs(int fd, const struct change *change) {
  ssize_t size;
  int result = 0;
  char *names = list_xattrs(fd, &size);
  for (char *name = names; result == 0 && name < names + size; name += strlen(name) + 1)
    if (ours(name) && !keeps(change, name)) result = fremovexattr(fd, name);
  free(names);
  return size < 0 ? -1 : result;
}

/* A new owner clears setuid and capabilities, so the mode comes after it, and attributes after the mode. */
int metadata_set(int directory, const char *name, const struct change *change) {
  struct timespec now = {.tv_nsec = UTIME_NOW};
  struct timespec then = {.tv_sec = change->seconds, .tv_nsec = change->nanoseconds};
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, change->timed ? then : now};
  if (fchownat(directory, name, change->uid, change->gid, AT_SYMLINK_NOFOLLOW) < 0) return -1;
  if (!S_ISLNK(change->mode) && fchmodat(directory, name, change->mode & 07777, 0) < 0) return -1;
  /* There is no setxattrat before Linux 6.13. */
  if (change->xattr_count > 0 && fchdir(directory) < 0) return -1;
  for (uint32_t i = 0; i < change->xattr_count; i++) {
    const struct xattr *it = &change->xattrs[i];
    if (lsetxattr(name, it->name, it->value.data, it->value.length, 0) < 0) return -1;
  }
  return utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW);
}

int metadata_set_directory(int fd, const struct change *change) {
  if (fchown(fd, change->uid, change->gid) < 0 || fchmod(fd, change->mode & 07777) < 0) return -1;
  for (uint32_t i = 0; i < change->xattr_count; i++) {
    const struct xattr *it = &change->xattrs[i];
    if (fsetxattr(fd, it->name, it->value.data, it->value.length, 0) < 0) return -1;
  }
  return drop_other_xattrs(fd, change);
}

int metadata_copy(int from, int to) {
  struct stat status;
  if (fstat(from, &status) < 0 || fchown(to, status.st_uid, status.st_gid) < 0 ||
      fchmod(to, status.st_mode & 07777) < 0)
    return -1;
  ssize_t size, target_size;
  int result = 0;
  char *names = list_xattrs(to, &target_size);
  for (char *name = names; result == 0 && name < names + target_size; name += strlen(name) + 1)
    if (ours(name) && fgetxattr(from, name, NULL, 0) < 0) result = fremovexattr(to, name);
  free(names);
  names = list_xattrs(from, &size);
  char *value = malloc(XATTR_LIST_SIZE);
  if (!value) abort();
  for (char *name = names; result == 0 && name < names + size; name += strlen(name) + 1) {
    if (!ours(name)) continue;
    ssize_t length = fgetxattr(from, name, value, XATTR_LIST_SIZE);
    result = length < 0 ? -1 : fsetxattr(to, name, value, (size_t)length, 0);
  }
  free(value);
  free(names);
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, status.st_mtim};
  if (size < 0 || target_size < 0 || result < 0) return -1;
  return futimens(to, times);
}
