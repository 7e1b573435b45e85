#include "volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paths.h"
#include "report.h"
#include "write.h"

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
    if (volumes[i].mount == mount) return &volumes[i];
  return NULL;
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
  int top = open_directory(volume->top);
  if (top < 0) return -1;
  volume->state = openat(top, volume->state_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  close(top);
  return volume->state < 0 ? -1 : 0;
}

static int create_state(struct volume *volume) {
  int top = open_directory(volume->top);
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

int volumes_create(const uint8_t plan[DIGEST_SIZE]) {
  char name[2 * DIGEST_SIZE + 1];
  plan_name(plan, name);
  if (create_state_root() < 0) return fail_errno("AGENT_FAILED", STATE_ROOT, "can't be made");
  size_t size = 0;
  char *mounts = malloc((size_t)volume_count * sizeof volumes[0].top + 1);
  if (!mounts) abort();
  for (int i = 0; i < volume_count; i++) {
    struct volume *volume = &volumes[i];
    if (i == 0) {
      strcpy(volume->top, STATE_ROOT);
      strcpy(volume->state_name, name);
    } else {
      snprintf(volume->state_name, sizeof volume->state_name, ".ouassister-%s", name);
      strcpy(mounts + size, volume->top);
      size += strlen(volume->top) + 1;
    }
  }
  int result = create_state(&volumes[0]) < 0 ? fail_errno("AGENT_FAILED", STATE_ROOT, "can't be made") : 0;
  /* Where the others will be is known before they are there: whatever happens, they are found again. */
  if (result == 0) result = state_write("mounts", mounts, size);
  for (int i = 1; result == 0 && i < volume_count; i++)
    if (create_state(&volumes[i]) < 0) result = fail_errno("AGENT_FAILED", volumes[i].top, "can't hold the agent's files");
  free(mounts);
  return result;
}

int volumes_open(const char *name) {
  for (int i = 0; i < volume_count; i++)
    if (volumes[i].state >= 0) close(volumes[i].state);
  volume_count = 0;
  struct volume *first = add_volume(0, STATE_ROOT);
  snprintf(first->state_name, sizeof first->state_name, "%s", name);
  if (open_state(first) < 0 || mount_of(first->state, &first->mount) < 0)
    return fail_errno("AGENT_FAILED", STATE_ROOT, "the state of an earlier run can't be read");
  size_t size;
  char *mounts = state_read("mounts", &size);
  for (char *top = mounts; mounts && top < mounts + size; top += strlen(top) + 1) {
    struct volume *volume = add_volume(0, top);
    if (!volume) break;
    snprintf(volume->state_name, sizeof volume->state_name, ".ouassister-%s", name);
    if (open_state(volume) == 0) {
      if (mount_of(volume->state, &volume->mount) < 0) break;
    } else if (errno == ENOENT) {
      volume_count--; /* killed before it was made, or after it was removed */
    } else {
      fail_errno("AGENT_FAILED", top, "the state of an earlier run can't be read");
      break;
    }
  }
  free(mounts);
  return failure.set ? -1 : 0;
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
  int top = open_directory(volume->top);
  if (top < 0) return -1;
  int result = empty_directory(volume->state);
  if (result == 0 && volume == volumes) {
    unlinkat(volume->state, "mounts", 0);
    unlinkat(volume->state, "journal", 0);
  }
  if (result == 0) result = keeping_times(top, remove_directory, volume->state_name);
  close(top);
  close(volume->state);
  volume->state = -1;
  return result;
}

int volumes_remove(void) {
  for (int i = volume_count - 1; i >= 0; i--)
    if (volumes[i].state >= 0 && remove_state(&volumes[i]) < 0)
      return fail_errno("AGENT_FAILED", volumes[i].top, "the agent's own files can't be removed");
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
    if (syncfs(volumes[i].state) < 0) return fail_errno("AGENT_FAILED", volumes[i].top, "can't be synced");
  return 0;
}

int state_open(const char *name, int flags) {
  return openat(volumes[0].state, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int state_write(const char *name, const void *data, size_t size) {
  char temporary[64];
  snprintf(temporary, sizeof temporary, "%s.new", name);
  int fd = state_open(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  bool ok = fd >= 0 && write_all(fd, data, size) && fdatasync(fd) == 0 && renameat(volumes[0].state, temporary, volumes[0].state, name) == 0;
  int result = ok ? 0 : fail_errno("AGENT_FAILED", STATE_ROOT, "%s can't be written", name);
  if (fd >= 0) close(fd);
  return result;
}

char *state_read(const char *name, size_t *size) {
  struct stat status;
  int fd = state_open(name, O_RDONLY);
  if (fd < 0) return NULL;
  char *data = NULL;
  if (fstat(fd, &status) == 0 && (uint64_t)status.st_size <= STREAM_RECORDS_MAX) {
    data = malloc((size_t)status.st_size + 1);
    if (!data) abort();
    ssize_t got = read(fd, data, (size_t)status.st_size);
    *size = got < 0 ? 0 : (size_t)got;
    data[*size] = '\0';
  }
  close(fd);
  return data;
}

int journal_write(const char *format, ...) {
  char text[128];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof text - 1, format, arguments);
  va_end(arguments);
  text[length++] = '\n';
  int fd = state_open("journal", O_WRONLY | O_CREAT | O_APPEND);
  bool ok = fd >= 0 && write(fd, text, (size_t)length) == length && fdatasync(fd) == 0;
  int result = ok ? 0 : fail_errno("AGENT_FAILED", STATE_ROOT, "the journal can't be written");
  if (fd >= 0) close(fd);
  return result;
}

bool journal_has(const char *word) {
  size_t size, length = strlen(word);
  char *text = state_read("journal", &size);
  bool found = false;
  for (char *line = text; text && !found && *line;) {
    char *end = strchr(line, '\n');
    if (!end) break; /* torn: it never counted */
    found = (size_t)(end - line) == length && memcmp(line, word, length) == 0;
    line = end + 1;
  }
  free(text);
  return found;
}
