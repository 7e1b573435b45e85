#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int oua_open_below(int directory, const char *path, uint64_t flags, uint64_t resolve) {
  struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve | RESOLVE_NO_MAGICLINKS};
  int fd;
  /* EAGAIN: a rename somewhere raced with the walk, openat2(2). */
  do fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
  while (fd < 0 && errno == EAGAIN);
  return fd < 0 ? -errno : fd;
}

static int open_strict(const char *root, const char *path) {
  int directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return -errno;
  int fd = oua_open_below(directory, path, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  close(directory);
  return fd;
}

int32_t oua_attach_mount(const char *source_root, const char *source, const char *target_root,
                         const char *target, int32_t attributes) {
  struct mount_attr added = {.attr_set = (uint64_t)attributes};
  int from = open_strict(source_root, source);
  if (from < 0) return from;
  int to = open_strict(target_root, target);
  if (to < 0) {
    close(from);
    return to;
  }
  int result = 0;
  int tree = (int)syscall(SYS_open_tree, from, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0 ||
      (attributes && syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &added, sizeof added) < 0) ||
      syscall(SYS_move_mount, tree, "", to, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
    result = -errno;
  if (tree >= 0) close(tree);
  close(from);
  close(to);
  return result;
}

int32_t oua_make_directory(const char *root, const char *path) {
  char part[256];
  int directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return -errno;
  int result = 0;
  while (*path && result == 0) {
    size_t length = strcspn(path, "/");
    if (length >= sizeof part) {
      result = -ENAMETOOLONG;
    } else if (length > 0) {
      memcpy(part, path, length);
      part[length] = 0;
      int below;
      if (mkdirat(directory, part, 0755) < 0 && errno != EEXIST)
        result = -errno;
      else if ((below = oua_open_below(directory, part, O_PATH | O_DIRECTORY,
                                   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)) < 0)
        result = below;
      else {
        close(directory);
        directory = below;
      }
    }
    path += length + (path[length] == '/');
  }
  close(directory);
  return result;
}

int32_t oua_open_in_root(const char *root, const char *path, int32_t only_known) {
  int directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return -errno;
  int flags = only_known ? O_PATH : O_RDONLY | O_NONBLOCK | O_NOCTTY;
  int fd = oua_open_below(directory, path, flags, RESOLVE_IN_ROOT);
  close(directory);
  return fd;
}

int32_t oua_sync_file_system(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = syncfs(fd) < 0 ? -errno : 0;
  close(fd);
  return result;
}

int32_t oua_mount(const char *source, const char *target, const char *type, int32_t flags, const char *data) {
  return mount(source, target, type, (unsigned long)flags, data) < 0 ? -errno : 0;
}

int32_t oua_unmount(const char *path) { return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? -errno : 0; }
