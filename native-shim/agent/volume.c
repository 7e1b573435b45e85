#include "volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "paths.h"
#include "report.h"
#include "state.h"

struct volume volumes[VOLUMES_MAX];
int volume_count;

static struct volume *add_volume(uint64_t mount, const char *top) {
  if (volume_count == VOLUMES_MAX) {
    fail("GUEST_UNSUPPORTED", top, "the plan changes files on more than %d mounts", VOLUMES_MAX);
    return NULL;
  }
  struct volume *volume = &volumes[volume_count++];
  *volume = (struct volume){.mount = mount, .state = -1};
  snprintf(volume->top, sizeof volume->top, "%s", top);
  return volume;
}

static struct volume *find_volume(uint64_t mount) {
  for (int i = 0; i < volume_count; i++)
    if (volumes[i].mount == mount && !volumes[i].gone) return &volumes[i];
  return NULL;
}

/* Where its state directory is. */
static const char *state_place(const struct volume *volume) { return volume == volumes ? STATE_ROOT : volume->top; }

bool is_gone(const char *path) {
  const struct volume *nearest = NULL;
  for (int i = 0; i < volume_count; i++)
    if (is_above(volumes[i].top, path) && (!nearest || strlen(volumes[i].top) > strlen(nearest->top))) nearest = &volumes[i];
  return nearest && nearest->gone;
}

/* The path of the top directory of the mount that `fd`, which `path` names up to `length`, lies on. */
static int climb(const char *path, size_t length, uint64_t mount, char top[4096]) {
  memcpy(top, path, length);
  top[length] = '\0';
  while (top[1]) {
    char above[4096];
    strcpy(above, top);
    char *slash = strrchr(above, '/');
    slash[slash == above] = '\0';
    uint64_t other;
    int fd = open_ancestor(above, true, NULL);
    int found = fd < 0 ? -1 : mount_of(fd, &other);
    if (fd >= 0) close(fd);
    if (found < 0) return -1;
    if (other != mount) break;
    strcpy(top, above);
  }
  return 0;
}

struct volume *volume_of(const char *path, bool add) {
  size_t length;
  uint64_t mount;
  char top[4096];
  int fd = open_ancestor(path, path[1] == '\0', &length);
  int found = fd < 0 ? -1 : mount_of(fd, &mount);
  if (fd >= 0) close(fd);
  if (found < 0) {
    fail_errno("AGENT_FAILED", path, "its file system can't be found");
    return NULL;
  }
  struct volume *volume = find_volume(mount);
  if (volume) return volume;
  if (!add) {
    fail("AGENT_FAILED", path, "it is on a mount that was not there at the beginning");
    return NULL;
  }
  if (climb(path, length, mount, top) < 0) {
    fail_errno("AGENT_FAILED", path, "its mount can't be found");
    return NULL;
  }
  return add_volume(mount, top);
}

/* Runs an action in a directory and gives the directory its times back: we were never there. */
static int keeping_times(int directory, int (*action)(int directory, const char *name), const char *name) {
  struct stat status;
  if (fstat(directory, &status) < 0) return -1;
  int result = action(directory, name);
  int error = errno;
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, status.st_mtim};
  if (result == 0 && futimens(directory, times) < 0) return -1;
  errno = error;
  return result;
}

/* All of the path: state that lies elsewhere would not be found again. ENOTDIR when it is not made of directories. */
static int open_directory(const char *path) {
  size_t length;
  int place = open_ancestor(path, true, &length);
  if (place < 0) return -1;
  if (length != strlen(path)) {
    close(place);
    errno = ENOTDIR;
    return -1;
  }
  int fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  close(place);
  return fd;
}

static int make_directory(int directory, const char *name) { return mkdirat(directory, name, 0700); }
static int remove_directory(int directory, const char *name) { return unlinkat(directory, name, AT_REMOVEDIR); }

static int open_state(struct volume *volume) {
  int top = open_directory(state_place(volume));
  if (top < 0) return -1;
  volume->state = openat(top, volume->state_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  close(top);
  if (volume->state < 0) return -1;
  if (volume == volumes) state_enter(volume->state);
  return 0;
}

static int create_state(struct volume *volume) {
  int top = open_directory(state_place(volume));
  if (top < 0) return -1;
  int made = keeping_times(top, make_directory, volume->state_name);
  close(top);
  return made < 0 ? -1 : open_state(volume);
}

static void plan_name(const uint8_t plan[DIGEST_SIZE], char name[2 * DIGEST_SIZE + 1]) {
  for (int i = 0; i < DIGEST_SIZE; i++) sprintf(name + 2 * i, "%02x", plan[i]);
}

/* /var/lib/ouassister itself. The first volume's state directory is in it. */
static int create_state_root(void) {
  int lib = open_directory("/var/lib");
  if (lib < 0) return -1;
  int made = keeping_times(lib, make_directory, "ouassister");
  close(lib);
  return made < 0 && errno != EEXIST ? -1 : 0;
}

static void name_state(struct volume *volume, const char *name) {
  const char *prefix = volume == volumes ? "" : ".ouassister-";
  snprintf(volume->state_name, sizeof volume->state_name, "%s%s", prefix, name);
}

/* Whether a mount's files end with the boot. -1 with errno. */
static int is_in_memory(const struct volume *volume) {
  struct statfs status;
  int top = open_directory(volume->top);
  int result = top < 0 ? -1 : fstatfs(top, &status);
  if (top >= 0) close(top);
  return result < 0 ? -1 : status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC;
}

/* `mounts`: of each volume whether it is (m)emory or (d)isk, its top, and a NUL. */
static int write_mounts(void) {
  size_t size = 0;
  int result = 0;
  char *mounts = malloc((size_t)volume_count * (sizeof volumes[0].top + 1));
  if (!mounts) abort();
  for (int i = 0; result == 0 && i < volume_count; i++) {
    int memory = is_in_memory(&volumes[i]);
    if (memory < 0) result = fail_errno("AGENT_FAILED", volumes[i].top, "its file system can't be found");
    size += (size_t)sprintf(mounts + size, "%c%s", memory > 0 ? 'm' : 'd', volumes[i].top) + 1;
  }
  if (result == 0) result = state_write("mounts", mounts, size);
  /* Durable before what it tells of: a power cut may keep what is on the other mounts alone. */
  if (result == 0 && fsync(volumes[0].state) < 0) result = fail_errno("AGENT_FAILED", STATE_ROOT, "can't be synced");
  free(mounts);
  return result;
}

int volumes_create(const uint8_t plan[DIGEST_SIZE]) {
  char name[2 * DIGEST_SIZE + 1];
  plan_name(plan, name);
  for (int i = 0; i < volume_count; i++) name_state(&volumes[i], name);
  if (create_state_root() < 0 || create_state(&volumes[0]) < 0) return fail_errno("AGENT_FAILED", STATE_ROOT, "can't be made");
  /* Where the others will be is known before they are there: whatever happens, they are found again. */
  if (write_mounts() < 0) return -1;
  for (int i = 1; i < volume_count; i++)
    if (create_state(&volumes[i]) < 0) return fail_errno("AGENT_FAILED", volumes[i].top, "can't hold the agent's files");
  return 0;
}

static int unreadable(const char *path) { return fail_errno("AGENT_FAILED", path, "the state of an earlier run can't be read"); }

/* `needed`: it was made, and nobody has taken it away. */
static int open_other(const char *top, const char *name, bool memory, bool needed) {
  struct volume *volume = add_volume(0, top);
  if (!volume) return -1;
  name_state(volume, name);
  if (open_state(volume) == 0) return mount_of(volume->state, &volume->mount) < 0 ? unreadable(top) : 0;
  if (errno != ENOENT && errno != ENOTDIR) return unreadable(top);
  if (!needed) volume_count--; /* killed before it was made, or after it was removed */
  else if (memory) volume->gone = true;
  else return fail("AGENT_FAILED", top, "it is not mounted, and has old files of an earlier run");
  return 0;
}

int volumes_open(const char *name, struct journal *journal) {
  for (int i = 0; i < volume_count; i++)
    if (volumes[i].state >= 0) close(volumes[i].state);
  volume_count = 0;
  struct volume *first = add_volume(0, STATE_ROOT);
  name_state(first, name);
  if (open_state(first) < 0 || mount_of(first->state, &first->mount) < 0) return unreadable(STATE_ROOT);
  if (journal_read(journal) < 0) return -1;
  bool needed = journal->staged && !journal_is_final(journal);
  size_t size = 0;
  char *mounts = state_read("mounts", &size);
  if (!mounts && (needed || errno != ENOENT)) return unreadable(STATE_ROOT);
  int result = 0;
  for (char *at = mounts; result == 0 && mounts && at < mounts + size; at += strlen(at) + 1)
    if (at == mounts) snprintf(first->top, sizeof first->top, "%s", at + 1);
    else result = open_other(at + 1, name, *at == 'm', needed);
  free(mounts);
  return result;
}

/* Ours are flat: files, links and empty directories. */
static int empty_directory(int fd) {
  int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = copy < 0 ? NULL : fdopendir(copy);
  if (!directory) return -1;
  int result = 0;
  for (struct dirent *entry; result == 0 && (entry = readdir(directory));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    /* What recovery needs goes last. */
    if (strcmp(entry->d_name, "journal") == 0 || strcmp(entry->d_name, "mounts") == 0) continue;
    if (unlinkat(fd, entry->d_name, 0) < 0)
      result = errno == EISDIR || errno == EPERM ? unlinkat(fd, entry->d_name, AT_REMOVEDIR) : -1;
  }
  closedir(directory);
  return result;
}

static int remove_state(struct volume *volume) {
  int top = open_directory(state_place(volume));
  if (top < 0) return -1;
  int result = empty_directory(volume->state);
  if (result == 0 && volume == volumes) {
    unlinkat(volume->state, "mounts", 0);
    unlinkat(volume->state, "journal", 0);
  }
  if (result == 0) result = keeping_times(top, remove_directory, volume->state_name);
  /* Durable before the first one goes, which alone tells of the others. */
  if (result == 0 && volume != volumes) result = fsync(top);
  close(top);
  close(volume->state);
  volume->state = -1;
  return result;
}

int volumes_remove(void) {
  for (int i = volume_count - 1; i >= 0; i--)
    if (volumes[i].state >= 0 && remove_state(&volumes[i]) < 0)
      return fail_errno("AGENT_FAILED", state_place(&volumes[i]), "the agent's own files can't be removed");
  return state_root_remove();
}

int state_root_remove(void) {
  int lib = open_directory("/var/lib");
  if (lib < 0) return fail_errno("AGENT_FAILED", "/var/lib", "can't be opened");
  int removed = keeping_times(lib, remove_directory, "ouassister");
  close(lib);
  if (removed < 0 && errno != ENOTEMPTY && errno != ENOENT)
    return fail_errno("AGENT_FAILED", STATE_ROOT, "can't be removed");
  return 0;
}

int volumes_sync(void) {
  for (int i = 0; i < volume_count; i++)
    if (!volumes[i].gone && syncfs(volumes[i].state) < 0) return fail_errno("AGENT_FAILED", volumes[i].top, "can't be synced");
  return 0;
}
