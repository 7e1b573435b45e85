#include "directories.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names.h"
#include "paths.h"
#include "volume.h"

/* One entry of the file `parents`: a line of text as written by note(), ended by a NUL. */
struct entry {
  unsigned holds; /* changed names are directly in it: its time is brought back */
  long long seconds;
  long nanoseconds;
  unsigned mode;
  unsigned uid;
  unsigned gid;
  const char *path;
};

static void note(FILE *parents, const char *path, bool holds) {
  size_t length;
  struct stat status;
  int fd = open_ancestor(path, true, &length);
  if (fd >= 0 && length == strlen(path) && fstat(fd, &status) == 0)
    fprintf(parents, "%u %lld %ld %o %u %u %s%c", holds, (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
            status.st_mode & 07777, status.st_uid, status.st_gid, path, '\0');
  if (fd >= 0) close(fd);
}

/* The nearest one that exists, and those above it that the previous path did not have. */
static void note_above(FILE *parents, const char *path, char previous[PATH_MAX]) {
  char directory[PATH_MAX];
  size_t length;
  int fd = open_ancestor(path, false, &length);
  if (fd < 0) return;
  close(fd);
  memcpy(directory, path, length);
  directory[length] = '\0';
  if (strcmp(directory, previous) == 0) return;
  note(parents, directory, true);
  char nearest[PATH_MAX];
  strcpy(nearest, directory);
  for (char *slash; (slash = strrchr(directory, '/')) && slash > directory;) {
    *slash = '\0';
    if (is_above(directory, previous)) break;
    note(parents, directory, false);
  }
  strcpy(previous, nearest);
}

int directories_note(const struct stream *stream) {
  char previous[PATH_MAX] = "";
  char *text = NULL;
  size_t size = 0;
  FILE *parents = open_memstream(&text, &size);
  if (!parents) abort();
  for (uint32_t s = 0; s < stream->step_count; s++)
    for (uint32_t c = 0; c < stream->steps[s].change_count; c++)
      note_above(parents, stream->steps[s].changes[c].path, previous);
  fclose(parents);
  int result = state_write("parents", text, size);
  free(text);
  return result;
}

static bool parse(const char *text, struct entry *entry) {
  int at = 0;
  int found = sscanf(text, "%u %lld %ld %o %u %u %n", &entry->holds, &entry->seconds, &entry->nanoseconds, &entry->mode,
                     &entry->uid, &entry->gid, &at);
  entry->path = text + at;
  return found == 6 && *entry->path == '/';
}

static bool find(const char *text, size_t size, const char *path, struct entry *entry) {
  for (const char *at = text; text && at < text + size && parse(at, entry); at += strlen(at) + 1)
    if (strcmp(entry->path, path) == 0) return true;
  return false;
}

/*
 * It is made whole where only we are, and then moved: whoever owns the directory above could put something else in its
 * place before it has its owner and mode.
 */
static int make_whole(int state, const struct place *place, const struct entry *noted) {
  static const char name[] = "directory";
  if (unlinkat(state, name, AT_REMOVEDIR) < 0 && errno != ENOENT) return -1;
  int fd = mkdirat(state, name, 0700) < 0 ? -1 : open_child(state, name);
  bool ok = fd >= 0 && (!noted || (fchown(fd, noted->uid, noted->gid) == 0 && fchmod(fd, noted->mode) == 0)) &&
            renameat(state, name, place->parent, place->name) == 0;
  int error = errno;
  if (fd >= 0) close(fd);
  errno = error;
  return ok ? 0 : -1;
}

static int make(const char *path, const char *text, size_t size) {
  struct place place;
  struct stat status;
  struct entry noted;
  if (open_place(path, &place) < 0) return -1;
  int result = look(place.parent, place.name, &status) ? 0 : -1;
  if (result < 0 && errno == 0) {
    struct volume *volume = volume_of(path, false);
    if (volume) result = make_whole(volume->state, &place, find(text, size, path, &noted) ? &noted : NULL);
  }
  int error = errno;
  close_place(&place);
  errno = error;
  return result;
}

int directories_make(const char *path) {
  char directory[PATH_MAX];
  size_t size = 0;
  char *text = state_read("parents", &size);
  int result = 0;
  for (const char *slash = strchr(path + 1, '/'); result == 0 && slash; slash = strchr(slash + 1, '/')) {
    memcpy(directory, path, (size_t)(slash - path));
    directory[slash - path] = '\0';
    result = make(directory, text, size);
  }
  int error = errno;
  free(text);
  errno = error;
  return result;
}

static void restore_time(const struct entry *entry) {
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = entry->seconds, .tv_nsec = entry->nanoseconds}};
  struct stat status;
  size_t length;
  if (is_gone(entry->path)) return;
  int parent = open_ancestor(entry->path, true, &length);
  int fd = parent >= 0 && length == strlen(entry->path) ? open_child(parent, ".") : -1;
  if (fd >= 0 && fstat(fd, &status) == 0 &&
      (status.st_mtim.tv_sec != entry->seconds || status.st_mtim.tv_nsec != entry->nanoseconds))
    futimens(fd, times);
  if (fd >= 0) close(fd);
  if (parent >= 0) close(parent);
}

void directories_restore_times(void) {
  struct entry entry;
  size_t size = 0;
  char *text = state_read("parents", &size);
  for (const char *at = text; text && at < text + size && parse(at, &entry); at += strlen(at) + 1)
    if (entry.holds) restore_time(&entry);
  free(text);
}
