#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define OPEN_DIRECTORY (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Descends as far as directories exist. `*rest` is what is left of the path, without leading slashes. */
static int descend(const char *path, const char **rest, bool last) {
  int fd = open("/", OPEN_DIRECTORY);
  path++;
  while (fd >= 0 && *path) {
    size_t length = strcspn(path, "/");
    bool is_last = path[length] == '\0';
    if (is_last && !last) break;
    char name[NAME_MAX + 1];
    memcpy(name, path, length);
    name[length] = '\0';
    int next = openat(fd, name, OPEN_DIRECTORY);
    if (next < 0) break;
    close(fd);
    fd = next;
    path += length + !is_last;
  }
  *rest = path;
  return fd;
}

int open_place(const char *path, struct place *place) {
  const char *rest;
  int fd = descend(path, &rest, false);
  if (fd < 0) return -1;
  if (strchr(rest, '/')) {
    /* Stopped early: say why, as the kernel would. */
    char name[NAME_MAX + 1];
    size_t length = strcspn(rest, "/");
    struct stat status;
    memcpy(name, rest, length);
    name[length] = '\0';
    int error = fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0 ? errno : S_ISLNK(status.st_mode) ? ELOOP : ENOTDIR;
    close(fd);
    errno = error;
    return -1;
  }
  place->parent = fd;
  strcpy(place->name, *rest ? rest : ".");
  return 0;
}

void close_place(struct place *place) { close(place->parent); }

int open_ancestor(const char *path, bool self, size_t *length) {
  const char *rest;
  int fd = descend(path, &rest, self);
  if (fd >= 0 && length) {
    *length = (size_t)(rest - path);
    while (*length > 1 && path[*length - 1] == '/') (*length)--;
  }
  return fd;
}

bool look(int directory, const char *name, struct stat *status) {
  errno = 0;
  if (fstatat(directory, name, status, AT_SYMLINK_NOFOLLOW) == 0) return true;
  if (errno == ENOENT) errno = 0;
  return false;
}

bool is_above(const char *directory, const char *path) {
  size_t length = strlen(directory);
  if (length == 1) return true;
  return strncmp(directory, path, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

int mount_of(int fd, uint64_t *mount) {
  struct statx status;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MNT_ID, &status) < 0) return -1;
  /* Before Linux 5.8 there is no mount id: the device tells file systems apart, at least. */
  *mount = status.stx_mask & STATX_MNT_ID ? status.stx_mnt_id : makedev(status.stx_dev_major, status.stx_dev_minor);
  return 0;
}
