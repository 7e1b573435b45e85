#include "tree.h"

#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The directory that a path's last name is in, open, and that name. */
struct place {
  int directory;
  const char *name;
};

static int open_place(int root, const uint8_t *bytes, int self, struct place *place) {
  const char *path = (const char *)bytes;
  const char *slash = strrchr(path, '/');
  char parent[PATH_MAX] = ".";
  place->name = slash ? slash + 1 : path;
  if (!*place->name || strcmp(place->name, "..") == 0 ||
      (strcmp(place->name, ".") == 0 && (slash || !self)))
    return -EINVAL;
  if (slash) {
    size_t length = (size_t)(slash - path);
    if (length >= sizeof parent) return -ENAMETOOLONG;
    memcpy(parent, path, length);
    parent[length] = 0;
  }
  place->directory =
      oua_open_below(root, parent, O_PATH | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  return place->directory < 0 ? place->directory : 0;
}

/* Ends a call: its result, or why it failed. */
static int32_t leave(const struct place *place, int result) {
  int32_t answer = result < 0 ? -errno : result;
  close(place->directory);
  return answer;
}

int32_t oua_tree_make(int32_t root, const uint8_t *path, int32_t mode, int32_t major, int32_t minor) {
  struct place place;
  int failed = open_place(root, path, 0, &place);
  if (failed) return failed;
  mode_t type = (mode_t)mode & S_IFMT;
  int result = type == S_IFDIR ? mkdirat(place.directory, place.name, 0700)
                               : mknodat(place.directory, place.name, type | 0600,
                                         makedev((unsigned)major, (unsigned)minor));
  return leave(&place, result);
}

int32_t oua_tree_symlink(int32_t root, const uint8_t *path, const uint8_t *target) {
  struct place place;
  int failed = open_place(root, path, 0, &place);
  if (failed) return failed;
  return leave(&place, symlinkat((const char *)target, place.directory, place.name));
}

int32_t oua_tree_link(int32_t root, const uint8_t *path, const uint8_t *name) {
  struct place from, to;
  int failed = open_place(root, path, 0, &from);
  if (failed) return failed;
  failed = open_place(root, name, 0, &to);
  if (failed) {
    close(from.directory);
    return failed;
  }
  int32_t result = leave(&to, linkat(from.directory, from.name, to.directory, to.name, 0));
  close(from.directory);
  return result;
}

int32_t oua_tree_open(int32_t root, const uint8_t *path) {
  struct place place;
  int failed = open_place(root, path, 0, &place);
  if (failed) return failed;
  /* O_NONBLOCK: whatever it is, nobody waits for it. */
  int flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  return leave(&place, openat(place.directory, place.name, flags));
}

int32_t oua_tree_set_owner(int32_t root, const uint8_t *path, int32_t uid, int32_t gid, int32_t mode) {
  struct place place;
  struct stat status;
  int failed = open_place(root, path, 1, &place);
  if (failed) return failed;
  int result = fchownat(place.directory, place.name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW);
  if (result == 0) result = fstatat(place.directory, place.name, &status, AT_SYMLINK_NOFOLLOW);
  if (result == 0 && !S_ISLNK(status.st_mode))
    result = fchmodat(place.directory, place.name, (mode_t)mode & 07777, 0);
  return leave(&place, result);
}

int32_t oua_tree_set_times(int32_t root, const uint8_t *path, int64_t accessed, int32_t accessed_ns,
                           int64_t modified, int32_t modified_ns) {
  struct place place;
  int failed = open_place(root, path, 1, &place);
  if (failed) return failed;
  struct timespec times[2] = {{.tv_sec = accessed, .tv_nsec = accessed_ns},
                              {.tv_sec = modified, .tv_nsec = modified_ns}};
  return leave(&place, utimensat(place.directory, place.name, times, AT_SYMLINK_NOFOLLOW));
}

int32_t oua_tree_set_xattr(int32_t root, const uint8_t *path, const char *name, const uint8_t *value,
                           int32_t size) {
  struct place place;
  int failed = open_place(root, path, 1, &place);
  if (failed) return failed;
  int file = openat(place.directory, place.name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return leave(&place, -1);
  /* There is no setxattrat(2) in kernels of our time; this name leads to the open file itself, a link too. */
  char self[32];
  snprintf(self, sizeof self, "/proc/self/fd/%d", file);
  int result = setxattr(self, name, value, (size_t)size, 0);
  int32_t answer = leave(&place, result);
  close(file);
  return answer;
}
