/*
 * Mounting, serving and ending. The loop is our own: libfuse's waits in read(2) and can only be left by a
 * signal or by the last unmount, and the sandbox may hold the mount longer than we want to serve it.
 */
#include "fuse.h"

#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct server {
  struct oua_proc proc;
  struct fuse_session *session;
  pthread_t thread;
  sem_t started; /* its number is known */
  pid_t number;
  int stop; /* eventfd: written once to end the loop */
  char *directory;
};

static struct server *servers[OUA_PROC_MAX];
/* Guards the table only: a call on a handle must not run beside oua_proc_stop() of the same handle. */
static pthread_mutex_t servers_mutex = PTHREAD_MUTEX_INITIALIZER;

static void no_log(enum fuse_log_level level, const char *format, va_list arguments) {
  (void)level, (void)format, (void)arguments;
}

static void *serve(void *argument) {
  struct server *server = argument;
  server->number = gettid();
  sem_post(&server->started);
  struct fuse_buf request = {0};
  struct pollfd wait[] = {{.fd = fuse_session_fd(server->session), .events = POLLIN},
                          {.fd = server->stop, .events = POLLIN}};
  while (!fuse_session_exited(server->session)) {
    if (poll(wait, 2, -1) < 0 && errno != EINTR) break;
    if (wait[1].revents) break;
    if (!wait[0].revents) continue;
    /* The descriptor does not block: a request can be taken back between poll and read. */
    int length = fuse_session_receive_buf(server->session, &request);
    if (length > 0)
      fuse_session_process_buf(server->session, &request);
    else if (length != -EINTR && length != -EAGAIN)
      break;
  }
  free(request.mem);
  return NULL;
}

/* Mounts and gives the connection to libfuse. */
static int connect_session(struct server *server, const char *directory) {
  char options[128], name[32];
  int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -errno;
  snprintf(options, sizeof options, "fd=%d,rootmode=40555,user_id=0,group_id=0,allow_other,default_permissions", fd);
  if (mount("proc", directory, "fuse", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME, options) < 0) {
    int result = -errno;
    close(fd);
    return result;
  }
  snprintf(name, sizeof name, "/dev/fd/%d", fd);
  if (fuse_session_mount(server->session, name) < 0) {
    umount2(directory, MNT_DETACH);
    close(fd);
    return -EIO;
  }
  return 0;
}

/* The thread must get none of the process's signals: Node and the tracing thread have their own. */
static int start_thread(struct server *server) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int result = -pthread_create(&server->thread, NULL, serve, server);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (result < 0) return result;
  pthread_setname_np(server->thread, "oua-proc");
  while (sem_wait(&server->started) < 0 && errno == EINTR);
  return 0;
}

static void release(struct server *server) {
  if (server->session) fuse_session_destroy(server->session);
  sem_destroy(&server->started);
  if (server->stop >= 0) close(server->stop);
  oua_pids_close(&server->proc.pids);
  oua_log_free(server->proc.log);
  oua_tree_free(&server->proc.tree);
  free(server->directory);
  free(server);
}

static int prepare(struct server *server, const char *directory, const uint8_t *bytes, int64_t length) {
  int result = oua_pids_open(&server->proc.pids);
  if (result < 0) return result;
  if (length < 0 || (result = oua_tree_load(&server->proc.tree, bytes, (size_t)length)) < 0)
    return length < 0 ? -EINVAL : result;
  server->proc.log = oua_log_new();
  server->directory = realpath(directory, NULL);
  server->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (!server->proc.log) return -ENOMEM;
  if (!server->directory || server->stop < 0) return -errno;

  fuse_set_log_func(no_log);
  char *arguments[] = {"ouassister", NULL};
  struct fuse_args args = FUSE_ARGS_INIT(1, arguments);
  server->session = fuse_session_new(&args, &oua_proc_operations, sizeof oua_proc_operations, &server->proc);
  fuse_opt_free_args(&args);
  return server->session ? 0 : -ENOMEM;
}

static int start(struct server *server) {
  int result = connect_session(server, server->directory);
  if (result < 0) return result;
  result = start_thread(server);
  if (result < 0) umount2(server->directory, MNT_DETACH);
  return result;
}

static int32_t take_handle(struct server *server) {
  int32_t handle = -EMFILE;
  pthread_mutex_lock(&servers_mutex);
  for (int32_t free_one = 0; free_one < OUA_PROC_MAX && handle < 0; free_one++)
    if (!servers[free_one]) servers[handle = free_one] = server;
  pthread_mutex_unlock(&servers_mutex);
  return handle;
}

static struct server *server_of(int32_t handle, bool take) {
  if (handle < 0 || handle >= OUA_PROC_MAX) return NULL;
  pthread_mutex_lock(&servers_mutex);
  struct server *server = servers[handle];
  if (take) servers[handle] = NULL;
  pthread_mutex_unlock(&servers_mutex);
  return server;
}

int32_t oua_proc_check(const uint8_t *bytes, int64_t length) {
  struct oua_tree tree;
  int result = length < 0 ? -EINVAL : oua_tree_load(&tree, bytes, (size_t)length);
  if (result == 0) oua_tree_free(&tree);
  return result;
}

int32_t oua_proc_start(const char *directory, const uint8_t *bytes, int64_t length) {
  struct server *server = calloc(1, sizeof *server);
  if (!server) return -ENOMEM;
  server->stop = -1;
  sem_init(&server->started, 0, 0);
  int result = prepare(server, directory, bytes, length);
  int32_t handle = result < 0 ? result : take_handle(server);
  if (handle >= 0 && (result = start(server)) < 0) {
    server_of(handle, true);
    handle = result;
  }
  if (handle < 0) release(server);
  return handle;
}

int32_t oua_proc_attach(int32_t handle, int32_t pid, const char *path) {
  struct server *server = server_of(handle, false);
  return server ? oua_pids_attach(&server->proc.pids, pid, path) : -EBADF;
}

int64_t oua_proc_drain(int32_t handle, uint8_t *buffer, int64_t length) {
  struct server *server = server_of(handle, false);
  return server ? oua_log_drain(server->proc.log, buffer, length) : -EBADF;
}

int32_t oua_proc_thread(int32_t handle) {
  struct server *server = server_of(handle, false);
  return server ? server->number : -EBADF;
}

int32_t oua_proc_hide(int32_t handle, int32_t pid, int32_t hidden) {
  struct server *server = server_of(handle, false);
  struct oua_guest_pid *guest = server ? oua_guest_pid_of(&server->proc.tree, pid) : NULL;
  if (guest) guest->hidden = hidden != 0;
  return !server ? -EBADF : guest ? 0 : -ESRCH;
}

int32_t oua_proc_stop(int32_t handle) {
  struct server *server = server_of(handle, true);
  if (!server) return -EBADF;
  int result = 0;
  /* EINVAL: it is gone already, moved into a mount namespace that ended. */
  if (umount2(server->directory, UMOUNT_NOFOLLOW) < 0 &&
      umount2(server->directory, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL)
    result = -errno;
  uint64_t one = 1;
  if (write(server->stop, &one, sizeof one) != sizeof one && result == 0) result = -errno;
  pthread_join(server->thread, NULL);
  release(server);
  return result;
}
