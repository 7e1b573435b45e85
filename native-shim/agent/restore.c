#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directories.h"
#include "metadata.h"
#include "names.h"
#include "paths.h"
#include "report.h"
#include "volume.h"

static int make_stand_in(int state, const char *name) { return mknodat(state, name, S_IFREG | 0600, 0); }

/*
 * Brings what was put in place back to its staged name, or a stand-in: from then on the change counts as
 * not made. What is to be put back is renamed over it, so that the name is never missing, where that can be.
 * 1: something else is there.
 */
static int take_back(const struct place *place, int state, const struct names *names, bool backed_up) {
  struct stat status;
  if (!look(place->parent, place->name, &status)) return errno ? -1 : make_stand_in(state, names->staged);
  if (S_ISDIR(status.st_mode)) {
    if (unlinkat(place->parent, place->name, AT_REMOVEDIR) < 0) return errno == ENOTEMPTY || errno == EBUSY ? 1 : -1;
    return make_stand_in(state, names->staged);
  }
  if (backed_up && linkat(place->parent, place->name, state, names->staged, 0) == 0) return 0;
  return renameat(place->parent, place->name, state, names->staged);
}

static int put_back(const struct place *place, int state, const char *backup) {
  struct stat status;
  if (renameat(state, backup, place->parent, place->name) < 0)
    return errno == ENOTEMPTY || errno == EEXIST || errno == EISDIR || errno == ENOTDIR ? 1 : -1;
  /* Two names of one inode: rename did nothing. */
  return look(state, backup, &status) ? unlinkat(state, backup, 0) : 0;
}

static int restore_directory(const struct place *place, int state, const char *backup) {
  int twin = open_child(state, backup);
  int fd = open_child(place->parent, place->name);
  bool gone = fd < 0 && errno == ENOENT;
  int result = twin >= 0 && fd >= 0 ? metadata_copy(twin, fd) : -1;
  if (twin >= 0) close(twin);
  if (fd >= 0) close(fd);
  /* Its twin has the metadata that it had. */
  if (gone) return renameat(state, backup, place->parent, place->name);
  return result == 0 ? unlinkat(state, backup, AT_REMOVEDIR) : result;
}

static int undo(const struct change *change, const struct place *place, int state, const struct names *names) {
  struct stat status;
  bool backed_up = look(state, names->backup, &status);
  bool directory = backed_up && S_ISDIR(status.st_mode);
  bool made = change->kind != RECORD_REMOVE && !look(state, names->staged, &status);
  if (directory && (is_directory_put(change) || !made)) return restore_directory(place, state, names->backup);
  int result = made ? take_back(place, state, names, backed_up) : 0;
  return result == 0 && backed_up ? put_back(place, state, names->backup) : result;
}

static bool has_backup(const char *name) {
  struct stat status;
  for (int i = 0; i < volume_count; i++)
    if (!volumes[i].gone && (look(volumes[i].state, name, &status) || errno)) return true;
  return false;
}

/* Scripts may have removed the directory, or put something else there. 1: nothing of ours is, or was, in it. */
static int open_place_again(const struct change *change, const struct names *names, struct place *place,
                            struct path_list *left) {
  if (open_place(change->path, place) == 0) return 0;
  int error = errno;
  if (has_backup(names->backup))
    return directories_make(change->path) < 0 || open_place(change->path, place) < 0
               ? fail_errno("AGENT_FAILED", change->path, "can't be brought back, its directory can't be reached")
               : 0;
  if (error != ENOENT) path_list_add(left, change->path);
  return 1;
}

static int undo_change(const struct change *change, const struct names *names, struct path_list *left) {
  struct place place;
  struct stat status;
  if (is_gone(change->path)) return 0;
  int opened = open_place_again(change, names, &place, left);
  if (opened != 0) return opened < 0 ? -1 : 0;
  struct volume *volume = volume_of(change->path, false);
  int result = volume ? undo(change, &place, volume->state, names) : -1;
  int error = errno;
  close_place(&place);
  errno = error;
  if (result == 1) path_list_add(left, change->path);
  if (result == 1 && look(volume->state, names->backup, &status))
    return fail("AGENT_FAILED", change->path, "can't be brought back: something else is there now");
  return result < 0 ? fail_errno("AGENT_FAILED", change->path, "can't be brought back") : 0;
}

/* What is kept is the only copy of an old file: it must have left the state directories by being put back. */
static int no_backup_left(const struct stream *stream) {
  for (uint32_t s = 0; s < stream->step_count; s++)
    for (uint32_t c = 0; c < stream->steps[s].change_count; c++) {
      struct names names = names_of(s, c);
      if (has_backup(names.backup))
        return fail("AGENT_FAILED", stream->steps[s].changes[c].path, "was not brought back from %s", names.backup);
    }
  return 0;
}

int files_restore(const struct stream *stream, struct path_list *left) {
  for (uint32_t s = (uint32_t)stream->step_count; s-- > 0;)
    for (uint32_t c = stream->steps[s].change_count; c-- > 0;) {
      struct names names = names_of(s, c);
      undo_change(&stream->steps[s].changes[c], &names, left); /* the others are brought back all the same */
    }
  directories_restore_times();
  return failure.set ? -1 : no_backup_left(stream);
}
