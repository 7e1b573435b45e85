#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "expected.h"
#include "hash.h"
#include "paths.h"
#include "process.h"
#include "report.h"
#include "volume.h"

/* ---- locks ---- */

static struct {
  const char *path;
  int fd;
} locks[] = {
    {"/var/lib/dpkg/lock-frontend", -1},
    {"/var/lib/dpkg/lock", -1},
    {"/var/lib/apt/lists/lock", -1},
    {"/var/cache/apt/archives/lock", -1},
    {"/usr/lib/sysimage/rpm/.rpm.lock", -1},
    {"/var/lib/rpm/.rpm.lock", -1},
    {"/root/.rpmdb/.rpm.lock", -1},
};
#define DATABASE_LOCK 1

/* Open file description locks: they exclude fcntl locks, and don't vanish when a hash closes the file. */
static int set_lock(int fd, short type) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
  return fcntl(fd, F_OFD_SETLK, &lock);
}

/* One of these directories may be a link to another. */
static bool is_held(int fd, size_t except) {
  struct stat status, other;
  for (size_t i = 0; i < sizeof locks / sizeof *locks; i++)
    if (i != except && locks[i].fd >= 0 && fstat(fd, &status) == 0 && fstat(locks[i].fd, &other) == 0 &&
        status.st_ino == other.st_ino && status.st_dev == other.st_dev)
      return true;
  return false;
}

static int take_lock(size_t i) {
  int fd = open(locks[i].path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return 0;
  if (fd < 0) return fail_errno("AGENT_FAILED", locks[i].path, "can't be opened");
  if (is_held(fd, i)) {
    close(fd);
    return 0;
  }
  if (set_lock(fd, F_WRLCK) < 0) {
    close(fd);
    return fail("GUEST_BUSY", locks[i].path, "another package manager holds the lock");
  }
  locks[i].fd = fd;
  return 0;
}

int locks_take(void) {
  for (size_t i = 0; i < sizeof locks / sizeof *locks; i++)
    if (take_lock(i) < 0) return -1;
  return 0;
}

/* A plan may put a lock's file anew: then the lock on the old one excludes nobody. */
int locks_renew(void) {
  for (size_t i = 0; i < sizeof locks / sizeof *locks; i++) {
    struct stat held = {0}, there;
    if (lstat(locks[i].path, &there) < 0) continue;
    if (locks[i].fd >= 0 && fstat(locks[i].fd, &held) == 0 && held.st_ino == there.st_ino && held.st_dev == there.st_dev)
      continue;
    int old = locks[i].fd;
    if (take_lock(i) < 0) return -1;
    if (old >= 0) close(old);
  }
  return 0;
}

int database_lock_release(void) {
  if (locks[DATABASE_LOCK].fd >= 0) close(locks[DATABASE_LOCK].fd);
  locks[DATABASE_LOCK].fd = -1;
  return 0;
}

int database_lock_take(void) { return take_lock(DATABASE_LOCK); }

/* ---- identity ---- */

static int read_line(const char *path, char *line, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? -1 : read(fd, line, size - 1);
  if (fd >= 0) close(fd);
  if (got < 0) return -1;
  line[got] = '\0';
  line[strcspn(line, "\n")] = '\0';
  return 0;
}

static int check_line(struct bytes expected, const char *path, const char *what) {
  char found[4096];
  if (expected.length == 0) return 0;
  if (read_line(path, found, sizeof found) < 0) return fail_errno("WRONG_GUEST", path, "can't be read");
  if (strcmp(found, expected.data) == 0) return 0;
  return fail("WRONG_GUEST", path, "%s is '%.128s', the plan is for '%.128s'", what, found, expected.data);
}

#define RESUME_MAX_MS (600u * 1000) /* a replay begins when the guest goes on, give or take a slow start */

/* A guest of the same boot that has run since the suspend is another one; so is one of an earlier suspend. */
static int check_uptime(uint64_t planned) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  uint64_t uptime = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
  if (uptime >= planned && uptime - planned <= RESUME_MAX_MS) return 0;
  return fail("WRONG_GUEST", "/proc/uptime", "the guest is up for %llu s, the plan is for the suspend at %llu s",
              (unsigned long long)uptime / 1000, (unsigned long long)planned / 1000);
}

int check_identity(const struct stream *stream, bool live) {
  if (check_line(stream->identity.machine_id, "/etc/machine-id", "the machine id") < 0) return -1;
  if (!live) return 0;
  if (check_line(stream->identity.banner, "/proc/version", "the kernel") < 0) return -1;
  if (check_line(stream->identity.boot_id, "/proc/sys/kernel/random/boot_id", "the boot id") < 0) return -1;
  return check_uptime(stream->identity.uptime);
}

/* ---- preconditions ---- */

static const char *type_name(uint32_t mode) {
  switch (mode & S_IFMT) {
    case 0: return "nothing";
    case S_IFREG: return "a file";
    case S_IFDIR: return "a directory";
    case S_IFLNK: return "a symbolic link";
    case S_IFCHR: case S_IFBLK: return "a device";
    default: return "a special file";
  }
}

static int check_target(const struct place *place, const struct precondition *it) {
  char target[PATH_MAX];
  ssize_t length = readlinkat(place->parent, place->name, target, sizeof target);
  if (length == (ssize_t)it->target.length && memcmp(target, it->target.data, (size_t)length) == 0) return 0;
  return fail("PLAN_STALE", it->path, "the link leads elsewhere");
}

static int check_content(const struct place *place, const struct precondition *it) {
  uint8_t digest[DIGEST_SIZE];
  int fd = openat(place->parent, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  int hashed = fd < 0 ? -1 : hash_file(fd, it->size, digest);
  if (hashed < 0 && errno == EINTR) fail("INTERRUPTED", "", "stopped");
  else if (hashed < 0 && errno != EFBIG) fail_errno("PLAN_STALE", it->path, "can't be read");
  else if (hashed < 0 || memcmp(digest, it->sha256, DIGEST_SIZE) != 0) hashed = fail("PLAN_STALE", it->path, "the content changed");
  if (fd >= 0) close(fd);
  return hashed;
}

static int check_at(const struct place *place, const struct precondition *it) {
  struct stat status = {0};
  if (!look(place->parent, place->name, &status) && errno) return fail_errno("PLAN_STALE", it->path, "can't be looked at");
  if ((status.st_mode & S_IFMT) != (it->mode & S_IFMT))
    return fail("PLAN_STALE", it->path, "there is %s, the plan knows %s", type_name(status.st_mode), type_name(it->mode));
  expect_found(it, &status);
  if (it->mode == 0) return 0;
  if (status.st_mode != it->mode)
    return fail("PLAN_STALE", it->path, "the mode is %04o, the plan knows %04o", status.st_mode & 07777, it->mode & 07777);
  if (status.st_uid != it->uid || status.st_gid != it->gid)
    return fail("PLAN_STALE", it->path, "the owner is %u:%u, the plan knows %u:%u", status.st_uid, status.st_gid, it->uid, it->gid);
  if (S_ISLNK(it->mode)) return check_target(place, it);
  return it->sha256 ? check_content(place, it) : 0;
}

static int check_precondition(const struct precondition *it) {
  struct place place;
  if (open_place(it->path, &place) == 0) {
    int result = check_at(&place, it);
    close_place(&place);
    return result;
  }
  if (errno == ENOENT && it->mode == 0) {
    expect_found(it, &(struct stat){0});
    return 0;
  }
  if (errno == ENOENT) return fail("PLAN_STALE", it->path, "there is nothing, the plan knows %s", type_name(it->mode));
  return fail_errno("PLAN_STALE", it->path, "a directory above it is none any more");
}

int check_preconditions(const struct stream *stream) {
  for (size_t i = 0; i < stream->precondition_count; i++)
    if (check_precondition(&stream->preconditions[i]) < 0) return -1;
  return 0;
}

/* ---- space ---- */

#define SPARE_BYTES (2u << 20) /* the journal, directories that grow, what merged databases have more than planned */

static int check_volume(const struct volume *volume) {
  struct statvfs status;
  int fd = open_ancestor(volume->top, true, NULL);
  int found = fd < 0 ? -1 : fstatvfs(fd, &status);
  if (fd >= 0) close(fd);
  if (found < 0) return fail_errno("AGENT_FAILED", volume->top, "its free space can't be found");
  if (status.f_flag & ST_RDONLY) return fail("GUEST_UNSUPPORTED", volume->top, "it is mounted read-only");
  uint64_t need = volume->bytes + volume->merging + volume->inodes * status.f_bsize + SPARE_BYTES;
  uint64_t free_bytes = (uint64_t)status.f_bfree * status.f_frsize;
  if (need > free_bytes)
    return fail("DISK_FULL", volume->top, "%llu MiB are needed, %llu MiB are free",
                (unsigned long long)(need >> 20), (unsigned long long)(free_bytes >> 20));
  if (status.f_files > 0 && volume->inodes + 16 > status.f_ffree)
    return fail("DISK_FULL", volume->top, "%llu inodes are needed, %llu are free",
                (unsigned long long)volume->inodes, (unsigned long long)status.f_ffree);
  return 0;
}

int check_space(const struct stream *stream) {
  /* The one that holds the agent's own files comes first. */
  size_t length;
  int lib = open_ancestor("/var/lib", true, &length);
  if (lib >= 0) close(lib);
  if (lib < 0 || length != strlen("/var/lib"))
    return fail("GUEST_UNSUPPORTED", "/var/lib", "it is not a directory, or lies behind a symbolic link");
  struct volume *first = volume_of(STATE_ROOT, true);
  if (!first) return -1;
  /* The records, and as much again for the times and names of directories; a script's output. */
  first->bytes += 2 * stream->raw_size + SCRIPT_OUTPUT_MAX;
  for (size_t s = 0; s < stream->step_count; s++)
    for (uint32_t c = 0; c < stream->steps[s].change_count; c++) {
      const struct change *change = &stream->steps[s].changes[c];
      struct volume *volume = volume_of(change->path, true);
      if (!volume) return -1;
      if (change->kind != RECORD_REMOVE) volume->inodes++;
      if (change->kind == RECORD_PUT && S_ISREG(change->mode)) volume->bytes += change->size;
      if (change->kind == RECORD_PUT && change->merge && change->size > volume->merging) volume->merging = change->size;
    }
  for (int i = 0; i < volume_count; i++)
    if (check_volume(&volumes[i]) < 0) return -1;
  return 0;
}
