/* Inode numbers, names and attributes. */
#include "fuse_node.h"

#include <errno.h>
#include <string.h>

#define DYNAMIC ((fuse_ino_t)1 << 63)

const struct oua_node *oua_node_of(const struct oua_proc *proc, struct ref ref) {
  return &proc->tree.nodes[ref.node];
}

fuse_ino_t oua_ino_of(struct ref ref) {
  if (!ref.tgid) return (fuse_ino_t)ref.node + 1;
  return DYNAMIC | (fuse_ino_t)ref.tgid << 41 | (fuse_ino_t)ref.tid << 19 | ref.node;
}

int oua_ref_of(const struct oua_proc *proc, fuse_ino_t ino, struct ref *ref) {
  *ref = (struct ref){0};
  if (ino & DYNAMIC) {
    ref->node = ino & ((1u << 19) - 1);
    ref->tid = (int)(ino >> 19 & (OUA_PID_MAX - 1));
    ref->tgid = (int)(ino >> 41 & (OUA_PID_MAX - 1));
    if (ref->node >= proc->tree.count || !ref->tgid) {
      *ref = (struct ref){0};
      return -ENOENT;
    }
    return oua_tracee(&proc->pids, ref->tgid, ref->tid, &ref->uid, &ref->gid) ? 0 : -ENOENT;
  }
  if (ino == 0 || ino > proc->tree.count) return -ENOENT;
  ref->node = (uint32_t)(ino - 1);
  ref->uid = oua_node_of(proc, *ref)->uid;
  ref->gid = oua_node_of(proc, *ref)->gid;
  return 0;
}

/*
 * A tracee's directory hides a guest's of the same number, except for pid 1: programs that ask for it mean
 * the guest's init, never the sandbox's.
 */
static bool find_tracee(const struct oua_proc *proc, int pid, struct ref *child) {
  if (pid <= 1 || !proc->tree.template) return false;
  *child = (struct ref){.node = proc->tree.template, .tgid = pid};
  return oua_tracee(&proc->pids, pid, 0, &child->uid, &child->gid);
}

int oua_find_child(const struct oua_proc *proc, struct ref parent, const char *name, struct ref *child) {
  size_t length = strlen(name);
  int pid = oua_pid_of(name, length);
  if (parent.node == 0 && find_tracee(proc, pid, child)) return 0;
  if (oua_node_of(proc, parent)->kind == OUA_TASKS) {
    *child = (struct ref){.node = proc->tree.template, .tgid = parent.tgid, .tid = pid};
    return pid && oua_tracee(&proc->pids, parent.tgid, pid, &child->uid, &child->gid) ? 0 : -ENOENT;
  }
  const struct oua_guest_pid *guest = parent.node == 0 && pid ? oua_guest_pid_of(&proc->tree, pid) : NULL;
  if (guest && guest->hidden) return -ENOENT;
  *child = parent;
  child->node = oua_tree_find(&proc->tree, parent.node, name, length);
  if (!child->node) return -ENOENT;
  /* Threads have no `task` of their own. */
  if (parent.tid && oua_node_of(proc, *child)->kind == OUA_TASKS) return -ENOENT;
  if (!parent.tgid) {
    child->uid = oua_node_of(proc, *child)->uid;
    child->gid = oua_node_of(proc, *child)->gid;
  }
  return 0;
}

mode_t oua_type_of(const struct oua_node *node) {
  static const mode_t types[OUA_KIND_END] = {
      [OUA_DIRECTORY] = S_IFDIR, [OUA_FILE] = S_IFREG,        [OUA_SYMLINK] = S_IFLNK,
      [OUA_SELF] = S_IFLNK,      [OUA_THREAD_SELF] = S_IFLNK, [OUA_UUID] = S_IFREG,
      [OUA_TEMPLATE] = S_IFDIR,  [OUA_REAL] = S_IFLNK,        [OUA_TASKS] = S_IFDIR,
  };
  return types[node->kind];
}

struct stat oua_stat_of(const struct oua_proc *proc, struct ref ref) {
  const struct oua_node *node = oua_node_of(proc, ref);
  mode_t type = oua_type_of(node);
  return (struct stat){.st_ino = oua_ino_of(ref),
                       .st_mode = type | node->mode,
                       .st_nlink = type == S_IFDIR ? 2 : 1,
                       .st_uid = ref.uid,
                       .st_gid = ref.gid,
                       .st_blksize = 1024,
                       .st_atim = {.tv_sec = proc->tree.time},
                       .st_mtim = {.tv_sec = proc->tree.time},
                       .st_ctim = {.tv_sec = proc->tree.time}};
}
