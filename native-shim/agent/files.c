#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "accounts-lock.h"
#include "database.h"
#include "directories.h"
#include "expected.h"
#include "metadata.h"
#include "names.h"
#include "paths.h"
#include "printed.h"
#include "process.h"
#include "report.h"
#include "volume.h"

void path_list_add(struct path_list *list, const char *path) {
  list->paths = realloc(list->paths, (list->count + 1) * sizeof *list->paths);
  if (!list->paths || !(list->paths[list->count++] = strdup(path))) abort();
}

void path_list_free(struct path_list *list) {
  for (size_t i = 0; i < list->count; i++) free(list->paths[i]);
  free(list->paths);
  *list = (struct path_list){0};
}

void path_lists_free(struct path_lists *lists) {
  path_list_free(&lists->kept);
  path_list_free(&lists->overwrote);
  path_list_free(&lists->merged);
}

/* ---- staging ---- */

static int copy_content(int from, const struct change *change, int directory, const char *name) {
  int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  off_t offset = (off_t)change->offset;
  uint64_t left = change->size;
  while (left > 0) {
    ssize_t sent = sendfile(fd, from, &offset, left < (1u << 24) ? left : 1u << 24);
    if (sent < 0 && errno == EINTR) continue;
    if (sent == 0) errno = EIO;
    if (sent <= 0) break;
    left -= (uint64_t)sent;
  }
  int error = errno;
  if (close(fd) < 0) return -1;
  errno = error;
  return left > 0 ? -1 : 0;
}

static int make_inode(const struct stream *stream, const struct change *change, int directory, const char *name) {
  dev_t device = makedev(change->major, change->minor);
  if (change->kind == RECORD_LINK) return mknodat(directory, name, S_IFREG | 0600, 0);
  if (S_ISREG(change->mode)) return copy_content(stream->fd, change, directory, name);
  if (S_ISDIR(change->mode)) return mkdirat(directory, name, 0700);
  if (S_ISLNK(change->mode)) return symlinkat(change->target, directory, name);
  return mknodat(directory, name, (change->mode & S_IFMT) | 0600, device);
}

static int stage(const struct stream *stream, uint32_t step, uint32_t number) {
  const struct change *change = &stream->steps[step].changes[number];
  struct names names = names_of(step, number);
  struct volume *volume = volume_of(change->path, false);
  if (!volume) return -1;
  int result = make_inode(stream, change, volume->state, names.staged);
  if (result == 0 && change->kind == RECORD_PUT) result = metadata_set(volume->state, names.staged, change);
  return result < 0 ? fail_errno("AGENT_FAILED", change->path, "can't be laid ready") : 0;
}

int files_stage(const struct stream *stream) {
  for (uint32_t s = 0; s < stream->step_count; s++)
    for (uint32_t c = 0; c < stream->steps[s].change_count; c++) {
      if (stop_requested()) return fail("INTERRUPTED", "", "stopped");
      if (stream->steps[s].changes[c].kind != RECORD_REMOVE && stage(stream, s, c) < 0) return -1;
    }
  return directories_note(stream);
}

/* ---- putting in place ---- */

/* An empty directory with the metadata of one that is there becomes its backup. */
static int keep_twin(int fd, int state, const struct names *names) {
  int twin = mkdirat(state, names->fresh, 0700) < 0 ? -1 : open_child(state, names->fresh);
  bool ok = twin >= 0 && metadata_copy(fd, twin) == 0 && renameat(state, names->fresh, state, names->backup) == 0;
  int error = errno;
  if (twin >= 0) close(twin);
  errno = error;
  return ok ? 0 : -1;
}

static int change_directory(const struct place *place, const struct change *change, int state, const struct names *names) {
  int fd = open_child(place->parent, place->name);
  bool ok = fd >= 0 && keep_twin(fd, state, names) == 0 && metadata_set_directory(fd, change) == 0;
  int error = errno;
  if (fd >= 0) close(fd);
  errno = error;
  return ok ? 0 : -1;
}

/*
 * An empty directory goes by rmdir(2): moved, it could still be filled by who has it open. ENOTEMPTY when it has been
 * filled meanwhile.
 */
static int remove_directory(const struct place *place, int state, const struct names *names) {
  int fd = open_child(place->parent, place->name);
  int result = fd < 0 ? -1 : keep_twin(fd, state, names);
  if (result == 0 && (result = unlinkat(place->parent, place->name, AT_REMOVEDIR)) < 0) {
    int error = errno;
    unlinkat(state, names->backup, AT_REMOVEDIR);
    errno = error;
  }
  int error = errno;
  if (fd >= 0) close(fd);
  errno = error;
  return result;
}

/* Keeps what is at a place. Its name stays taken until something is renamed over it, where that can be. */
static int set_aside(const struct place *place, const struct stat *status, int state, const struct names *names) {
  if (S_ISDIR(status->st_mode)) return remove_directory(place, state, names);
  if (linkat(place->parent, place->name, state, names->backup, 0) == 0) return 0;
  return renameat(place->parent, place->name, state, names->backup);
}

static int refresh_time(const struct change *change, int state, const char *name) {
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
  if (change->kind != RECORD_PUT || change->timed) return 0;
  return utimensat(state, name, times, AT_SYMLINK_NOFOLLOW);
}

/* The name that a link will be takes the place of its stand-in. 1: the path has that inode already. */
static int make_link(const struct place *place, const struct change *change, int state, const struct names *names) {
  struct place to;
  struct stat there, here;
  if (open_place(change->to, &to) < 0) return -1;
  int result = -1;
  if (look(to.parent, to.name, &there)) {
    bool same = look(place->parent, place->name, &here) && here.st_ino == there.st_ino && here.st_dev == there.st_dev;
    result = same ? 1 : linkat(to.parent, to.name, state, names->fresh, 0);
    if (result == 0) result = renameat(state, names->fresh, state, names->staged);
  } else {
    errno = ENOENT;
  }
  int error = errno;
  close_place(&to);
  errno = error;
  return result;
}

static int put(const struct place *place, const struct change *change, int state, const struct names *names) {
  struct stat status;
  bool exists = look(place->parent, place->name, &status);
  if (!exists && errno) return -1;
  if (exists && is_directory_put(change) && S_ISDIR(status.st_mode)) return change_directory(place, change, state, names);
  if (change->kind == RECORD_LINK) {
    int linked = make_link(place, change, state, names);
    if (linked != 0) return linked < 0 ? -1 : 0;
  }
  if (refresh_time(change, state, names->staged) < 0) return -1;
  if (exists && set_aside(place, &status, state, names) < 0) return -1;
  /* A directory can't be renamed over something else. */
  if (exists && is_directory_put(change) && unlinkat(place->parent, place->name, 0) < 0 && errno != ENOENT) return -1;
  return renameat(state, names->staged, place->parent, place->name);
}

static int remove_name(const struct place *place, const struct change *change, int state, const struct names *names,
                       struct path_list *kept) {
  struct stat status;
  if (!look(place->parent, place->name, &status)) return errno ? -1 : 0;
  if (!S_ISDIR(status.st_mode)) return renameat(place->parent, place->name, state, names->backup);
  if (remove_directory(place, state, names) == 0) return 0;
  if (errno != ENOTEMPTY && errno != EBUSY) return -1;
  path_list_add(kept, change->path);
  return 0;
}

/* Before what is there is put away: a database is merged with it, of the rest it is told. Then the content is whole. */
static int complete_content(const struct stream *stream, const struct change *change, const struct place *place,
                                 int state, const struct names *names, struct path_lists *told, enum made_content *made) {
  if (!change->merge) {
    if (is_unexpected(stream, change->path, place)) path_list_add(&told->overwrote, change->path);
    return change->output_count > 0 ? printed_insert(change, state, names, made) : 0;
  }
  if (database_prepare(stream, change, place, state, names, made) < 0) return -1;
  if (*made == MERGED) path_list_add(&told->merged, change->path);
  return 0;
}

static int make_change(const struct stream *stream, const struct change *change, const struct names *names,
                       struct path_lists *told) {
  struct volume *volume = volume_of(change->path, false);
  struct place place;
  if (!volume) return -1;
  if (open_place(change->path, &place) < 0) {
    if (change->kind == RECORD_REMOVE && errno == ENOENT) return 0;
    return fail_errno("AGENT_FAILED", change->path, "its directory can't be reached");
  }
  enum made_content made = AS_PLANNED;
  int lock = accounts_lock(change);
  int result = lock < -1 ? -1 : complete_content(stream, change, &place, volume->state, names, told, &made);
  if (result == 0)
    result = change->kind == RECORD_REMOVE ? remove_name(&place, change, volume->state, names, &told->kept)
                                           : put(&place, change, volume->state, names);
  int error = errno;
  if (result == 0) expect_made(change, &place, made);
  if (lock >= 0) close(lock);
  close_place(&place);
  errno = error;
  return result < 0 ? fail_errno("AGENT_FAILED", change->path, "can't be changed") : 0;
}

/* Directories get their times when nothing more is put into them. One of them may have made room for something else. */
static int set_directory_time(const struct change *change) {
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
  struct stat status;
  struct place place;
  if (change->timed) times[1] = (struct timespec){.tv_sec = change->seconds, .tv_nsec = change->nanoseconds};
  if (open_place(change->path, &place) < 0) return errno == ENOENT ? 0 : -1;
  bool there = look(place.parent, place.name, &status) && S_ISDIR(status.st_mode);
  int result = there ? utimensat(place.parent, place.name, times, AT_SYMLINK_NOFOLLOW) : 0;
  close_place(&place);
  return result < 0 && errno != ENOENT ? -1 : 0;
}

int files_apply(const struct stream *stream, uint32_t number, struct path_lists *told) {
  const struct step *step = &stream->steps[number];
  for (uint32_t c = 0; c < step->change_count; c++) {
    struct names names = names_of(number, c);
    if (stop_requested()) return fail("INTERRUPTED", "", "stopped");
    if (make_change(stream, &step->changes[c], &names, told) < 0) return -1;
  }
  for (uint32_t c = 0; c < step->change_count; c++)
    if (is_directory_put(&step->changes[c]) && set_directory_time(&step->changes[c]) < 0)
      return fail_errno("AGENT_FAILED", step->changes[c].path, "its time can't be set");
  return 0;
}
