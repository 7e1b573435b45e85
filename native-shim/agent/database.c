#include "database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "days.h"
#include "expected.h"
#include "merge.h"
#include "metadata.h"
#include "report.h"
#include "write.h"

#define ATTEMPTS 5 /* to find a file that stands still while it is merged */

/* Beside `enum made_content`: the file did not stand still. */
enum { MOVING = MERGED + 1 };

static int refuse(const struct change *change, const char *what) {
  return fail("MERGE_CONFLICT", change->path, "%s", what);
}

/* Exactly `size` bytes; NULL with errno, EAGAIN when there are fewer. */
static char *read_part(int fd, uint64_t offset, size_t size) {
  char *data = allocate_or_abort(size, 1);
  for (size_t done = 0; done < size;) {
    ssize_t got = pread(fd, data + done, size - done, (off_t)(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = EAGAIN;
    if (got <= 0) {
      free(data);
      return NULL;
    }
    done += (size_t)got;
  }
  return data;
}

/* Beside, whole and durable. What was never there before has the time of now. */
static int write_fresh(const struct change *change, struct span content, int state, const struct names *names) {
  struct change as_merged = *change;
  as_merged.timed = 0;
  int fd = openat(state, names->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  bool ok = fd >= 0 && write_all(fd, content.at, content.size) && metadata_set(state, names->fresh, &as_merged) == 0 &&
            fsync(fd) == 0;
  int error = errno;
  if (fd >= 0) close(fd);
  errno = error;
  return ok ? 0 : fail_errno("AGENT_FAILED", change->path, "can't be laid ready");
}

static int merge_contents(const struct change *change, struct span base, struct span planned, struct span current,
                          int state, const struct names *names) {
  struct conflict conflict;
  char *merged = NULL;
  size_t size;
  if (same(current, base)) return write_fresh(change, planned, state, names) < 0 ? -1 : COMPLETED;
  if (same(planned, base)) return write_fresh(change, current, state, names) < 0 ? -1 : MERGED;
  if (merge(change->merge, base, planned, current, &merged, &size, &conflict) < 0) return refuse(change, conflict.text);
  int result = write_fresh(change, (struct span){merged, size}, state, names);
  free(merged);
  return result < 0 ? -1 : MERGED;
}

/* As an update of today would have left the two that the plan has. */
static void make_present(const struct stream *stream, const struct change *change, struct span *text) {
  if (!text->at || !days_differ(stream, change->merge)) return;
  struct span present = days_now(stream, *text);
  free((char *)text->at);
  *text = present;
}

static int merge_whole(const struct stream *stream, const struct change *change, int fd, size_t size, int state,
                       const struct names *names) {
  struct span base = {read_part(stream->fd, change->base_offset, change->base_size), change->base_size};
  struct span planned = {read_part(stream->fd, change->offset, change->size), change->size};
  make_present(stream, change, &base);
  make_present(stream, change, &planned);
  struct span current = {base.at && planned.at ? read_part(fd, 0, size) : NULL, size};
  int result = current.at ? merge_contents(change, base, planned, current, state, names) : MOVING;
  if (!current.at && errno != EAGAIN) result = fail_errno("AGENT_FAILED", change->path, "can't be read");
  free((char *)base.at);
  free((char *)planned.at);
  free((char *)current.at);
  return result;
}

/* In almost every replay the guest has changed nothing: that is found out in small pieces. */
static int merge_file(const struct stream *stream, const struct change *change, int fd, size_t size, int state,
                      const struct names *names) {
  bool unchanged = same_as_streamed(stream, change->base_offset, change->base_size, fd);
  if (change->kind == RECORD_REMOVE && unchanged) return AS_PLANNED;
  if (change->kind == RECORD_REMOVE) return refuse(change, "the plan removes it, and the guest has changed it");
  if (unchanged && !days_differ(stream, change->merge)) return AS_PLANNED;
  if (same_as_streamed(stream, change->offset, change->size, fd)) return AS_PLANNED;
  return merge_whole(stream, change, fd, size, state, names);
}

static bool stands_still(const struct place *place, const struct stat *seen) {
  struct stat now;
  return look(place->parent, place->name, &now) && same_look(&now, seen);
}

int database_prepare(const struct stream *stream, const struct change *change, const struct place *place, int state,
                     const struct names *names, enum made_content *made) {
  *made = AS_PLANNED;
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    struct stat seen;
    if (!look(place->parent, place->name, &seen)) {
      if (errno) return fail_errno("AGENT_FAILED", change->path, "can't be looked at");
      if (change->base_size == 0 || change->kind == RECORD_REMOVE) return 0;
      return refuse(change, "the guest has removed it, and the plan changes it");
    }
    if (!S_ISREG(seen.st_mode)) return refuse(change, "it is no regular file any more");
    if (seen.st_size > DATABASE_SIZE_MAX) return refuse(change, "it is too large to be merged");
    int fd = openat(place->parent, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int result = fd < 0 ? fail_errno("AGENT_FAILED", change->path, "can't be read")
                        : merge_file(stream, change, fd, (size_t)seen.st_size, state, names);
    if (fd >= 0) close(fd);
    if (result < 0) return -1;
    if (result == MOVING || !stands_still(place, &seen)) continue;
    *made = (enum made_content)result;
    if (result != AS_PLANNED && renameat(state, names->fresh, state, names->staged) < 0)
      return fail_errno("AGENT_FAILED", change->path, "can't be laid ready");
    return 0;
  }
  return refuse(change, "it does not stand still");
}
