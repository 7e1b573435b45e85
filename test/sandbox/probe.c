/*
 * Runs inside the sandbox as the guest's only program and tries to get out. Prints one `name=result` line for
 * each thing that it tried: an errno name or number, or what it got.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *name, long result) {
  if (result < 0)
    printf("%s=%s\n", name, strerrorname_np(errno));
  else
    printf("%s=%ld\n", name, result);
}

static void list(const char *name, const char *path) {
  DIR *directory = opendir(path);
  printf("%s=", name);
  if (!directory) printf("%s", strerrorname_np(errno));
  for (struct dirent *entry; directory && (entry = readdir(directory));)
    if (entry->d_name[0] != '.') printf("%s ", entry->d_name);
  printf("\n");
  if (directory) closedir(directory);
}

static int make_and_open(const char *path, unsigned major_number, unsigned minor_number) {
  unlink(path);
  if (mknod(path, S_IFBLK | 0600, makedev(major_number, minor_number)) < 0) return -1;
  return open(path, O_RDONLY);
}

static int log_message(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) return -1;
  return (int)write(fd, "hello", 5);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "uid") == 0) {
    printf("setuid=%d\n", (int)geteuid());
    return 0;
  }
  char name[65] = "", cwd[256] = "";
  gethostname(name, sizeof name);
  printf("pid=%d\nhostname=%s\ncwd=%s\numask=%o\n", getpid(), name, getcwd(cwd, sizeof cwd), umask(022));
  list("root", "/");
  list("sys", "/sys");
  list("proc", "/proc");
  list("fds", "/proc/self/fd");
  say("host-file", open(getenv("SECRET"), O_RDONLY));
  say("climb", open("/../../../../../../../../etc/debian_version", O_RDONLY));
  say("pid1-root", open("/proc/1/root/etc/debian_version", O_RDONLY));
  say("stub-write", open("/proc/.ouassister/stub", O_WRONLY));
  say("stub-mode", chmod("/proc/.ouassister/stub", 04755));
  say("stub-link", link("/proc/.ouassister/stub", "/tmp/stub"));
  say("init-write", open("/dev/.ouassister/init", O_WRONLY));
  say("init-mode", chmod("/dev/.ouassister/init", 04755));
  say("disk-in-dev", make_and_open("/dev/disk", (unsigned)atoi(getenv("MAJOR")), (unsigned)atoi(getenv("MINOR"))));
  say("disk-in-tree", make_and_open("/disk", (unsigned)atoi(getenv("MAJOR")), (unsigned)atoi(getenv("MINOR"))));
  say("disk-in-shm", make_and_open("/dev/shm/disk", (unsigned)atoi(getenv("MAJOR")), (unsigned)atoi(getenv("MINOR"))));
  say("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
  say("user-namespace", unshare(CLONE_NEWUSER));
  say("mount-namespace", unshare(CLONE_NEWNS));
  say("sock-diag", socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG));
  say("vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
  say("keyring", syscall(SYS_keyctl, 0, 0, 0));
  say("bpf", syscall(SYS_bpf, 0, 0, 0));
  say("io-uring", syscall(SYS_io_uring_setup, 1, 0));
  say("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
  say("clock", syscall(SYS_clock_settime, 0, NULL));
  say("dev-null", open("/dev/null", O_RDWR) >= 0 ? 0 : -1);
  say("log", log_message());
  say("shm-mode", ({ struct stat s; stat("/dev/shm", &s) < 0 ? -1 : (long)(s.st_mode & 07777); }));
  say("resolv-write", open("/etc/resolv.conf", O_WRONLY));
  fflush(stdout);
  if (fork() == 0) {
    if (setgid(65534) < 0 || setuid(65534) < 0) return 1;
    execl("/setuid-probe", "setuid-probe", "uid", NULL);
    return 1;
  }
  wait(NULL);
  return 7;
}
