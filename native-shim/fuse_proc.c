/* The FUSE operations of the shadow proc. What is served is explained in fuse.h. */
#include "fuse_node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statvfs.h>

/*
 * Attributes of static nodes never change; those of a tracee's, which changes its user now and then, hold until the look-up
 * is over that has given them, in seconds. Names expire at once, as every look-up is to be seen and logged: but for those of hidden
 * nodes, and of `self`, which is logged when it is read.
 */
#define STATIC_TIMEOUT 3600.0
#define TRACEE_TIMEOUT 0.001
#define LOG_PATH 1024

static struct oua_proc *proc_of(fuse_req_t request) { return fuse_req_userdata(request); }

static double timeout_of(struct ref ref) { return ref.tgid ? TRACEE_TIMEOUT : STATIC_TIMEOUT; }

static bool is_self(const struct oua_node *node) {
  return node->kind == OUA_SELF || node->kind == OUA_THREAD_SELF;
}

/* Whether a static node is hidden, or somewhere below one that is. */
static bool is_hidden(const struct oua_proc *proc, uint32_t node) {
  while (node && !(proc->tree.nodes[node].flags & OUA_NODE_HIDDEN)) node = proc->tree.nodes[node].parent;
  return node != 0;
}

static double name_timeout(const struct oua_proc *proc, struct ref ref) {
  bool unlogged = is_self(oua_node_of(proc, ref)) || is_hidden(proc, ref.node);
  return !ref.tgid && unlogged ? STATIC_TIMEOUT : 0;
}

static void append(char *path, const char *name, size_t length) {
  size_t used = strlen(path);
  if (used && used < LOG_PATH - 1) path[used++] = '/';
  if (length > LOG_PATH - 1 - used) length = LOG_PATH - 1 - used;
  memcpy(path + used, name, length);
  path[used + length] = 0;
}

/*
 * The path of a node as the log names it; false for what is hidden, unless `hidden` is wanted. A tracee's number says nothing after the
 * run, so its directory is `self` for its own threads and `[pid]` for others.
 */
static bool log_path(const struct oua_proc *proc, struct ref ref, const struct oua_caller *caller, bool hidden,
                     char *path) {
  uint32_t chain[64], depth = 0, top = ref.tgid ? proc->tree.template : 0;
  for (uint32_t at = ref.node; at != top; at = proc->tree.nodes[at].parent) {
    if (depth == 64 || at == 0 || (!hidden && (proc->tree.nodes[at].flags & OUA_NODE_HIDDEN))) return false;
    chain[depth++] = at;
  }
  path[0] = 0;
  if (ref.tgid) append(path, ref.tgid == caller->tgid ? "self" : "[pid]", ref.tgid == caller->tgid ? 4 : 5);
  if (ref.tid) append(path, "task/[tid]", 10);
  while (depth) {
    const struct oua_node *node = &proc->tree.nodes[chain[--depth]];
    append(path, proc->tree.heap + node->name, node->name_length);
  }
  return true;
}

static struct oua_caller caller_of(fuse_req_t request) {
  return oua_caller_of(&proc_of(request)->pids, fuse_req_ctx(request)->pid);
}

static void record_of(fuse_req_t request, const struct oua_caller *caller, enum oua_access access, struct ref ref,
                      const char *missing) {
  const struct oua_proc *proc = proc_of(request);
  char path[LOG_PATH];
  /* The sandbox's init is the launcher and then our own: not part of the update. */
  if (caller->tgid == 1 && proc->pids.real >= 0) return;
  /* An attempt to write counts in /sys, too, and is its process's. */
  bool write = access == OUA_WRITE_REFUSED;
  if (!log_path(proc, ref, caller, write, path)) return;
  if (missing) append(path, missing, strlen(missing));
  pid_t tid = fuse_req_ctx(request)->pid;
  oua_log_put(proc->log, access, write && caller->host_tgid ? caller->host_tgid : tid, caller->comm, path);
}

static void record(fuse_req_t request, enum oua_access access, struct ref ref, const char *missing) {
  struct oua_caller caller = caller_of(request);
  record_of(request, &caller, access, ref, missing);
}

static void do_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
  const struct oua_proc *proc = proc_of(request);
  struct ref directory, child;
  if (oua_ref_of(proc, parent, &directory) < 0 || oua_find_child(proc, directory, name, &child) < 0) {
    record(request, OUA_MISSING, directory, name);
    fuse_reply_err(request, ENOENT);
    return;
  }
  const struct oua_node *node = oua_node_of(proc, child);
  mode_t type = oua_type_of(node);
  if (!is_self(node))
    record(request, type == S_IFDIR ? OUA_FOUND_DIRECTORY : type == S_IFLNK ? OUA_FOUND_SYMLINK : OUA_FOUND_FILE,
           child, NULL);
  fuse_reply_entry(request, &(struct fuse_entry_param){.ino = oua_ino_of(child),
                                                       .attr = oua_stat_of(proc, child),
                                                       .attr_timeout = timeout_of(child),
                                                       .entry_timeout = name_timeout(proc, child)});
}

static void do_getattr(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file) {
  (void)file;
  const struct oua_proc *proc = proc_of(request);
  struct ref ref;
  if (oua_ref_of(proc, ino, &ref) < 0) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  struct stat stat = oua_stat_of(proc, ref);
  fuse_reply_attr(request, &stat, timeout_of(ref));
}

/*
 * Where a tracee's own entry is. As an absolute path, by which the tracing engine knows these links: it puts the
 * true target in when one of them is read.
 */
static void real_target(const struct oua_proc *proc, struct ref ref, char *target, size_t size) {
  const struct oua_node *node = oua_node_of(proc, ref);
  const char *name = proc->tree.heap + node->name;
  int length = (int)node->name_length;
  if (ref.tid)
    snprintf(target, size, "/proc/.ouassister/real/%d/task/%d/%.*s", ref.tgid, ref.tid, length, name);
  else
    snprintf(target, size, "/proc/.ouassister/real/%d/%.*s", ref.tgid, length, name);
}

/* The sandbox's own init has its number from the guest's: it finds itself in the real procfs only. */
static void self_target(const struct oua_caller *caller, bool thread, char *target, size_t size) {
  const char *prefix = caller->tgid == 1 ? ".ouassister/real/" : "";
  if (thread)
    snprintf(target, size, "%s%d/task/%d", prefix, caller->tgid, caller->tid);
  else
    snprintf(target, size, "%s%d", prefix, caller->tgid);
}

static void do_readlink(fuse_req_t request, fuse_ino_t ino) {
  const struct oua_proc *proc = proc_of(request);
  char target[4096] = "";
  struct ref ref;
  if (oua_ref_of(proc, ino, &ref) < 0) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  const struct oua_node *node = oua_node_of(proc, ref);
  if (node->kind == OUA_SYMLINK) {
    memcpy(target, proc->tree.heap + node->data, node->data_length);
  } else if (node->kind == OUA_REAL) {
    real_target(proc, ref, target, sizeof target);
  } else if (is_self(node)) {
    struct oua_caller caller = caller_of(request);
    record_of(request, &caller, OUA_FOUND_SYMLINK, ref, NULL);
    if (caller.tgid) self_target(&caller, node->kind == OUA_THREAD_SELF, target, sizeof target);
  }
  if (target[0])
    fuse_reply_readlink(request, target);
  else
    fuse_reply_err(request, ENOENT);
}

static void do_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file) {
  struct ref ref;
  if (oua_ref_of(proc_of(request), ino, &ref) < 0) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  /* What container managers do with /proc/sys: sysctl(8) and systemd-sysctl take EROFS as "not here". */
  if ((file->flags & O_ACCMODE) != O_RDONLY) {
    record(request, OUA_WRITE_REFUSED, ref, NULL);
    fuse_reply_err(request, EROFS);
    return;
  }
  /* Sizes are 0: without this the kernel would not ask for any byte. */
  file->direct_io = 1;
  file->noflush = 1;
  fuse_reply_open(request, file);
}

static void reply_slice(fuse_req_t request, const char *content, size_t length, off_t offset, size_t size) {
  if (offset < 0 || (uint64_t)offset >= length) {
    fuse_reply_buf(request, NULL, 0);
    return;
  }
  size_t rest = length - (size_t)offset;
  fuse_reply_buf(request, content + offset, rest < size ? rest : size);
}

/* RFC 4122 version 4, as generate_random_uuid() of lib/uuid.c. */
static void reply_uuid(fuse_req_t request, off_t offset, size_t size) {
  uint8_t u[16];
  char text[38];
  if (getrandom(u, sizeof u, 0) != sizeof u) {
    fuse_reply_err(request, EIO);
    return;
  }
  u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
  u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
  snprintf(text, sizeof text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n", u[0], u[1],
           u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
  reply_slice(request, text, 37, offset == 0 ? 0 : 37, size);
}

static void do_read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file) {
  (void)file;
  const struct oua_proc *proc = proc_of(request);
  struct ref ref;
  int found = oua_ref_of(proc, ino, &ref);
  const struct oua_node *node = oua_node_of(proc, ref);
  if (found < 0)
    fuse_reply_err(request, ESRCH);
  else if (node->kind == OUA_UUID)
    reply_uuid(request, offset, size);
  else if (node->kind == OUA_FILE)
    reply_slice(request, proc->tree.heap + node->data, node->data_length, offset, size);
  else
    fuse_reply_err(request, EINVAL);
}

static void do_opendir(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file) {
  struct ref ref;
  if (oua_ref_of(proc_of(request), ino, &ref) < 0) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  record(request, OUA_LISTED, ref, NULL);
  fuse_reply_open(request, file);
}

static void do_readdir(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file) {
  (void)file;
  const struct oua_proc *proc = proc_of(request);
  struct ref directory;
  if (oua_ref_of(proc, ino, &directory) < 0) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  char *bytes = malloc(size);
  if (!bytes) {
    fuse_reply_err(request, ENOMEM);
    return;
  }
  fuse_reply_buf(request, bytes, oua_list(request, proc, directory, offset, bytes, size));
  free(bytes);
}

static void do_statfs(fuse_req_t request, fuse_ino_t ino) {
  (void)ino;
  fuse_reply_statfs(request, &(struct statvfs){.f_bsize = 4096, .f_frsize = 4096, .f_namemax = 255});
}

/* procfs has no operation that makes or removes a name: the kernel's answers without one. */
static void refuse_new_file(fuse_req_t request, fuse_ino_t parent, const char *name) {
  struct ref directory;
  if (oua_ref_of(proc_of(request), parent, &directory) == 0) record(request, OUA_WRITE_REFUSED, directory, name);
  fuse_reply_err(request, EACCES);
}

static void do_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *file) {
  (void)mode, (void)file;
  refuse_new_file(request, parent, name);
}

static void do_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device) {
  (void)mode, (void)device;
  refuse_new_file(request, parent, name);
}

static void do_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode) {
  (void)parent, (void)name, (void)mode;
  fuse_reply_err(request, EPERM);
}

static void do_remove(fuse_req_t request, fuse_ino_t parent, const char *name) {
  (void)parent, (void)name;
  fuse_reply_err(request, EPERM);
}

static void do_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name) {
  (void)target, (void)parent, (void)name;
  fuse_reply_err(request, EPERM);
}

static void do_link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char *name) {
  (void)ino, (void)parent, (void)name;
  fuse_reply_err(request, EPERM);
}

static void do_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t to, const char *to_name,
                      unsigned flags) {
  (void)parent, (void)name, (void)to, (void)to_name, (void)flags;
  fuse_reply_err(request, EPERM);
}

static void do_setattr(fuse_req_t request, fuse_ino_t ino, struct stat *stat, int set,
                       struct fuse_file_info *file) {
  (void)ino, (void)stat, (void)set, (void)file;
  fuse_reply_err(request, EPERM);
}

const struct fuse_lowlevel_ops oua_proc_operations = {
    .lookup = do_lookup,
    .getattr = do_getattr,
    .setattr = do_setattr,
    .readlink = do_readlink,
    .mknod = do_mknod,
    .mkdir = do_mkdir,
    .unlink = do_remove,
    .rmdir = do_remove,
    .symlink = do_symlink,
    .rename = do_rename,
    .link = do_link,
    .open = do_open,
    .read = do_read,
    .opendir = do_opendir,
    .readdir = do_readdir,
    .statfs = do_statfs,
    .create = do_create,
};
