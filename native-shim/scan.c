#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DEPTH 256

struct scan {
  int32_t filter;
  int64_t since;
  uint8_t *next;
  uint8_t *end;
  char path[PATH_MAX];
};

static int passes(const struct scan *scan, const struct oua_scan_entry *entry) {
  if (scan->filter == OUA_SCAN_HARD_LINKS) return !S_ISDIR(entry->mode) && entry->links > 1;
  return entry->change_time >= scan->since;
}

static int emit(struct scan *scan, const struct oua_scan_entry *entry) {
  size_t bytes = sizeof *entry + ((entry->path_length + 7u) & ~7u);
  if ((size_t)(scan->end - scan->next) < bytes) return -ERANGE;
  memcpy(scan->next, entry, sizeof *entry);
  memset(scan->next + sizeof *entry, 0, bytes - sizeof *entry);
  memcpy(scan->next + sizeof *entry, scan->path, entry->path_length);
  scan->next += bytes;
  return 0;
}

/* A directory that is walked: its path is the first `length` bytes of the scan's. */
struct place {
  DIR *directory;
  size_t length;
  int depth;
  bool changed;
};

static int walk(struct scan *scan, int parent, const char *name, struct place here);

static bool worth_a_look(const struct scan *scan, const struct place *place, const struct dirent *entry) {
  return scan->filter != OUA_SCAN_ENTERED || place->changed || entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
}

static int visit(struct scan *scan, const struct place *place, const char *name) {
  size_t length = place->length;
  size_t name_length = strlen(name);
  size_t start = length ? length + 1 : 0;
  struct stat found;
  if (start + name_length >= sizeof scan->path) return -ENAMETOOLONG;
  if (length) scan->path[length] = '/';
  memcpy(scan->path + start, name, name_length);
  length = start + name_length;

  if (fstatat(dirfd(place->directory), name, &found, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT ? 0 : -errno;
  struct oua_scan_entry entry = {
      .inode = found.st_ino,
      .change_time = found.st_ctim.tv_sec * INT64_C(1000000000) + found.st_ctim.tv_nsec,
      .mode = found.st_mode,
      .links = (uint32_t)found.st_nlink,
      .path_length = (uint32_t)length,
  };
  int result = passes(scan, &entry) ? emit(scan, &entry) : 0;
  if (result == 0 && S_ISDIR(found.st_mode)) {
    struct place below = {
        .length = length, .depth = place->depth + 1, .changed = entry.change_time >= scan->since};
    result = walk(scan, dirfd(place->directory), name, below);
  }
  return result;
}

/* `here` lacks its directory, which `name` opens. */
static int walk(struct scan *scan, int parent, const char *name, struct place here) {
  if (here.depth > MAX_DEPTH) return -ELOOP;
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
  if (fd < 0) return errno == ENOENT ? 0 : -errno;
  DIR *directory = fdopendir(fd);
  if (!directory) {
    int error = errno;
    close(fd);
    return -error;
  }
  here.directory = directory;
  int result = 0;
  while (result == 0) {
    errno = 0;
    const struct dirent *entry = readdir(directory);
    if (!entry) {
      result = -errno;
      break;
    }
    if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && worth_a_look(scan, &here, entry))
      result = visit(scan, &here, entry->d_name);
  }
  closedir(directory);
  return result;
}

int32_t oua_scan_tree(const char *root, int32_t filter, int64_t since, uint8_t *records, int32_t size) {
  struct scan scan = {.filter = filter, .since = since, .next = records, .end = records + size};
  int result = walk(&scan, AT_FDCWD, root, (struct place){.changed = true});
  return result < 0 ? result : (int32_t)(scan.next - records);
}
