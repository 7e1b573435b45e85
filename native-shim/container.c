#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define HIDDEN "/proc/.ouassister/"

/* Exit statuses carry an errno: those of Linux fit into 8 bits. */
static int reap(pid_t child) {
  int status;
  if (child < 0) return -errno;
  while (waitpid(child, &status, __WALL) < 0)
    if (errno != EINTR) return -errno;
  if (!WIFEXITED(status)) return -EIO;
  return -WEXITSTATUS(status);
}

static int join(int pidfd, int namespaces) { return setns(pidfd, namespaces) < 0 ? errno : 0; }

static int clone_mount(const char *path, int flags) {
  return (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
}

/* A clone has the rights of the mount that it was cloned from: the guest must not write to a program of ours. */
static int lock_mount(int mount) {
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
  return (int)syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH, &attributes, sizeof attributes);
}

static int place(int mount, const char *path) {
  int below = (int)syscall(SYS_move_mount, mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
  return below < 0 ? errno : 0;
}

/* Runs in the helper: `proc` and `stub` are mounts that were cloned on the host. Returns 0 or an errno. */
static int swap_proc(int pidfd, int proc, int stub) {
  struct statfs kind;
  int error = join(pidfd, CLONE_NEWNS);
  if (error) return error;
  int real = clone_mount("/proc", AT_SYMLINK_NOFOLLOW);
  if (real < 0) return errno;
  if (fstatfs(real, &kind) < 0) return errno;
  if (kind.f_type != PROC_SUPER_MAGIC) return EINVAL;
  if (umount2("/proc", MNT_DETACH | UMOUNT_NOFOLLOW) < 0) return errno;
  if ((error = place(proc, "/proc"))) return error;
  if ((error = place(real, HIDDEN "real"))) return error;
  return place(stub, HIDDEN "stub");
}

static int open_pid(int32_t pid) {
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  return fd < 0 ? -errno : fd;
}

int32_t oua_container_enter_proc(int32_t pid, const char *proc, const char *stub) {
  int pidfd = open_pid(pid);
  if (pidfd < 0) return pidfd;
  int result;
  int proc_mount = clone_mount(proc, AT_RECURSIVE);
  int stub_mount = proc_mount < 0 ? -1 : clone_mount(stub, 0);
  if (stub_mount < 0 || lock_mount(stub_mount) < 0) {
    result = -errno;
    if (stub_mount >= 0) close(stub_mount);
  } else {
    pid_t child = fork();
    if (child == 0) _exit(swap_proc(pidfd, proc_mount, stub_mount));
    result = reap(child);
    close(stub_mount);
  }
  if (proc_mount >= 0) close(proc_mount);
  close(pidfd);
  return result;
}

/* ns_last_pid speaks of the writer's own pid namespace, proc(5); joining one takes effect in the next child. */
static int write_last_pid(int pidfd, int sysctl, const char *text) {
  int error = join(pidfd, CLONE_NEWPID);
  if (error) return error;
  pid_t child = fork();
  if (child == 0) _exit(write(sysctl, text, strlen(text)) < 0 ? errno : 0);
  return -reap(child);
}

int32_t oua_container_set_last_pid(int32_t pid, int32_t last) {
  char text[16];
  snprintf(text, sizeof text, "%d", last);
  int pidfd = open_pid(pid);
  if (pidfd < 0) return pidfd;
  int result;
  int sysctl = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
  if (sysctl < 0) {
    result = -errno;
  } else {
    pid_t child = fork();
    if (child == 0) _exit(write_last_pid(pidfd, sysctl, text));
    result = reap(child);
    close(sysctl);
  }
  close(pidfd);
  return result;
}
