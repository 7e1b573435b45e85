/*
 * Who asks, and which processes the sandbox has. FUSE names a caller by its thread id in the pid namespace in
 * which /dev/fuse was opened, ours; programs in the sandbox know themselves by the numbers of their own.
 */
#include "fuse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Room for the lines up to the numbers; `Groups:` is the only long one, and this holds over a thousand. */
#define STATUS_BYTES 16384

/* Deeper nesting than MAX_PID_NS_LEVEL of include/linux/pid_namespace.h does not exist. */
#define LEVELS 33

static bool is_procfs(int fd) {
  struct statfs statfs;
  return fstatfs(fd, &statfs) == 0 && statfs.f_type == PROC_SUPER_MAGIC;
}

int oua_pids_open(struct oua_pids *pids) {
  pids->host = -1;
  atomic_init(&pids->real, -1);
  atomic_init(&pids->level, 0);
  int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  char self[16] = "";
  ssize_t length = readlinkat(fd, "self", self, sizeof self - 1);
  if (!is_procfs(fd) || length <= 0 || atoi(self) != getpid()) {
    close(fd);
    return -ENOSYS;
  }
  pids->host = fd;
  return 0;
}

void oua_pids_close(struct oua_pids *pids) {
  if (pids->host >= 0) close(pids->host);
  if (pids->real >= 0) close(pids->real);
  pids->host = -1;
  pids->real = -1;
}

/* /proc/<pid>/status as our own procfs has it; returns its length or 0 when the process is gone. */
static size_t read_status(const struct oua_pids *pids, pid_t pid, char *text, size_t size) {
  char name[32];
  snprintf(name, sizeof name, "%d/status", pid);
  int fd = openat(pids->host, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t length = read(fd, text, size - 1);
  close(fd);
  if (length <= 0) return 0;
  text[length] = 0;
  return (size_t)length;
}

/* The numbers of one `NSpid:`-like line, outermost namespace first; returns how many there are. */
static uint32_t read_numbers(const char *text, const char *label, int numbers[LEVELS]) {
  const char *at = strstr(text, label);
  uint32_t count = 0;
  if (!at) return 0;
  at += strlen(label);
  while (count < LEVELS && *at == '\t') {
    char *end;
    numbers[count++] = (int)strtol(at, &end, 10);
    if (end == at + 1) return 0;
    at = end;
  }
  return count;
}

int oua_pids_attach(struct oua_pids *pids, pid_t pid, const char *path) {
  char name[32], text[STATUS_BYTES];
  int numbers[LEVELS];
  uint32_t levels = 0;
  if (read_status(pids, pid, text, sizeof text)) levels = read_numbers(text, "\nNSpid:", numbers);
  if (!levels) return -ESRCH;

  snprintf(name, sizeof name, "%d/root", pid);
  int root = openat(pids->host, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return -errno;
  int mount = (int)syscall(SYS_openat2, root, path,
                           &(struct open_how){.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                                              .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS},
                           sizeof(struct open_how));
  int result = mount < 0 ? -errno : 0;
  close(root);
  if (result < 0) return result;
  int real = (int)syscall(SYS_openat2, mount, ".ouassister/real",
                          &(struct open_how){.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                                             .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS},
                          sizeof(struct open_how));
  result = real < 0 ? -errno : 0;
  close(mount);
  if (result < 0) return result;
  if (!is_procfs(real)) {
    close(real);
    return -ENOTDIR;
  }
  pids->level = levels - 1;
  if (pids->real < 0)
    pids->real = real;
  else {
    /* A further sandbox over the same shadow: readers keep using the number, whichever procfs is behind it. */
    result = dup3(real, pids->real, O_CLOEXEC) < 0 ? -errno : 0;
    close(real);
    if (result < 0) return result;
  }
  return 0;
}

struct oua_caller oua_caller_of(const struct oua_pids *pids, pid_t host_tid) {
  struct oua_caller caller = {0};
  char text[STATUS_BYTES];
  if (host_tid <= 0 || !read_status(pids, host_tid, text, sizeof text)) return caller;
  if (strncmp(text, "Name:\t", 6) == 0) {
    size_t length = strcspn(text + 6, "\n");
    if (length >= sizeof caller.comm) length = sizeof caller.comm - 1;
    memcpy(caller.comm, text + 6, length);
  }
  int groups[LEVELS], threads[LEVELS];
  uint32_t levels = read_numbers(text, "\nNStgid:", groups);
  if (!levels || read_numbers(text, "\nNSpid:", threads) != levels) return caller;
  /* A caller from outside of the sandbox is known by the last number that it has. */
  uint32_t level = atomic_load(&pids->level);
  if (level >= levels) level = levels - 1;
  caller.host_tgid = groups[0];
  caller.tgid = groups[level];
  caller.tid = threads[level];
  return caller;
}

bool oua_tracee(const struct oua_pids *pids, int tgid, int tid, uid_t *uid, gid_t *gid) {
  char name[48];
  struct stat stat;
  if (pids->real < 0) return false;
  if (tid)
    snprintf(name, sizeof name, "%d/task/%d", tgid, tid);
  else
    snprintf(name, sizeof name, "%d", tgid);
  if (fstatat(pids->real, name, &stat, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(stat.st_mode)) return false;
  *uid = stat.st_uid;
  *gid = stat.st_gid;
  return true;
}

static int by_number(const void *a, const void *b) {
  int left = *(const int *)a, right = *(const int *)b;
  return (left > right) - (left < right);
}

static int list_numbers(DIR *directory, int **list) {
  int *numbers = NULL;
  size_t count = 0, room = 0;
  for (struct dirent *entry; (entry = readdir(directory));) {
    int number = oua_pid_of(entry->d_name, strlen(entry->d_name));
    if (!number) continue;
    if (count == room) {
      room = room ? 2 * room : 64;
      int *larger = room <= OUA_PID_MAX ? realloc(numbers, room * sizeof *numbers) : NULL;
      if (!larger) {
        free(numbers);
        return -ENOMEM;
      }
      numbers = larger;
    }
    numbers[count++] = number;
  }
  if (count) qsort(numbers, count, sizeof *numbers, by_number);
  *list = numbers;
  return (int)count;
}

int oua_tracees(const struct oua_pids *pids, int tgid, int **list) {
  char name[32] = ".";
  *list = NULL;
  if (pids->real < 0) return 0;
  if (tgid) snprintf(name, sizeof name, "%d/task", tgid);
  int fd = openat(pids->real, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  DIR *directory = fdopendir(fd);
  if (!directory) {
    int result = -errno;
    close(fd);
    return result;
  }
  int count = list_numbers(directory, list);
  closedir(directory);
  return count;
}
