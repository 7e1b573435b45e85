#include "expected.h"

#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hash.h"

struct expectation {
  const char *path;
  uint32_t type; /* S_IFMT bits, 0: nothing */
  const uint8_t *sha256;
  uint64_t size; /* of that content */
  const char *target;
  const struct change *put; /* whose content it is, in the stream */
  enum made_content content;
  struct stat seen;         /* as it was then: while that is the same, so is the content */
};

static void *all;

static int compare(const void *a, const void *b) {
  return strcmp(((const struct expectation *)a)->path, ((const struct expectation *)b)->path);
}

static struct expectation *find(const char *path) {
  struct expectation key = {.path = path};
  struct expectation **found = tfind(&key, &all, compare);
  return found ? *found : NULL;
}

static void expect(struct expectation it) {
  struct expectation *known = find(it.path);
  if (!known && (!(known = malloc(sizeof *known)) || (known->path = it.path, !tsearch(known, &all, compare)))) abort();
  *known = it;
}

void expect_found(const struct precondition *it, const struct stat *status) {
  expect((struct expectation){.path = it->path,
                              .type = it->mode & S_IFMT,
                              .sha256 = it->sha256,
                              .size = it->size,
                              .target = it->target.data,
                              .content = AS_PLANNED,
                              .seen = *status});
}

void expect_made(const struct change *change, const struct place *place, enum made_content content) {
  struct expectation it = {.path = change->path, .content = content};
  if (change->kind == RECORD_LINK) {
    struct expectation *to = find(change->to);
    if (to) it = *to;
    it.path = change->path;
  } else if (change->kind == RECORD_PUT) {
    it.type = change->mode & S_IFMT;
    it.target = change->target;
    it.put = change;
  }
  bool there = look(place->parent, place->name, &it.seen);
  /* A directory that had to stay, or a name of something that the plan does not know. */
  if (there && it.type == 0) it.type = it.seen.st_mode & S_IFMT;
  expect(it);
}

bool same_as_streamed(const struct stream *stream, uint64_t offset, uint64_t size, int fd) {
  char ours[16384], found[sizeof ours];
  struct stat status;
  if (fstat(fd, &status) < 0 || (uint64_t)status.st_size != size) return false;
  for (uint64_t at = 0; at < size;) {
    size_t part = size - at < sizeof ours ? (size_t)(size - at) : sizeof ours;
    if (pread(stream->fd, ours, part, (off_t)(offset + at)) != (ssize_t)part ||
        pread(fd, found, part, (off_t)at) != (ssize_t)part || memcmp(ours, found, part) != 0)
      return false;
    at += part;
  }
  return true;
}

static bool same_content(const struct stream *stream, const struct expectation *it, const struct place *place) {
  uint8_t digest[DIGEST_SIZE];
  if (!it->put && !it->sha256) return true;
  int fd = openat(place->parent, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  bool same = fd >= 0 && (it->put ? same_as_streamed(stream, it->put->offset, it->put->size, fd)
                                  : hash_file(fd, it->size, digest) == 0 && memcmp(digest, it->sha256, DIGEST_SIZE) == 0);
  if (fd >= 0) close(fd);
  return same;
}

static bool same_target(const struct expectation *it, const struct place *place) {
  char target[PATH_MAX];
  ssize_t length = readlinkat(place->parent, place->name, target, sizeof target - 1);
  if (length < 0) return false;
  target[length] = '\0';
  return !it->target || strcmp(target, it->target) == 0;
}

bool same_look(const struct stat *one, const struct stat *other) {
  return one->st_dev == other->st_dev && one->st_ino == other->st_ino && one->st_size == other->st_size &&
         one->st_ctim.tv_sec == other->st_ctim.tv_sec && one->st_ctim.tv_nsec == other->st_ctim.tv_nsec;
}

bool is_unexpected(const struct stream *stream, const char *path, const struct place *place) {
  const struct expectation *it = find(path);
  struct stat now;
  if (!it || !look(place->parent, place->name, &now)) return false;
  if (it->content == MERGED || (now.st_mode & S_IFMT) != it->type) return true;
  if (same_look(&now, &it->seen)) return false;
  if (it->content == COMPLETED) return true;
  if (S_ISLNK(now.st_mode)) return !same_target(it, place);
  return S_ISREG(now.st_mode) && !same_content(stream, it, place);
}
