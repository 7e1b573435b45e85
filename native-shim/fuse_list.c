/* Directory listings. */
#include "fuse_node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Directory offsets of pids begin here, above those of any node. */
#define PID_OFFSET ((off_t)1 << 32)

/* One getdents reply in the making. */
struct listing {
  fuse_req_t request;
  char *bytes;
  size_t used;
  size_t size;
};

/* False when the reply is full. */
static bool list_entry(struct listing *listing, const char *name, fuse_ino_t ino, mode_t type, off_t next) {
  struct stat stat = {.st_ino = ino, .st_mode = type};
  size_t length = fuse_add_direntry(listing->request, listing->bytes + listing->used, listing->size - listing->used,
                                    name, &stat, next);
  if (length > listing->size - listing->used) return false;
  listing->used += length;
  return true;
}

/* `.`, `..` and the children that the tree names, except the root's pids. Offsets are positions. */
static bool list_nodes(struct listing *listing, const struct oua_proc *proc, struct ref directory, off_t offset) {
  const struct oua_node *node = oua_node_of(proc, directory);
  off_t end = 2 + (node->kind == OUA_TASKS ? 0 : node->data_length);
  for (; offset < end; offset++) {
    if (offset < 2) {
      if (!list_entry(listing, offset ? ".." : ".", oua_ino_of(directory), S_IFDIR, offset + 1)) return false;
      continue;
    }
    struct ref child = directory;
    child.node = node->data + (uint32_t)(offset - 2);
    const struct oua_node *entry = oua_node_of(proc, child);
    char name[256] = "";
    memcpy(name, proc->tree.heap + entry->name, entry->name_length);
    bool pid = directory.node == 0 && oua_pid_of(name, entry->name_length);
    if (pid || (entry->flags & OUA_NODE_HIDDEN) || entry->kind == OUA_TEMPLATE) continue;
    if (entry->kind == OUA_TASKS && directory.tid) continue;
    if (!list_entry(listing, name, oua_ino_of(child), oua_type_of(entry), offset + 1)) return false;
  }
  return true;
}

/* Numbered children in ascending order: the guest's pids with the tracees' between them, or a tracee's threads. */
static void list_pids(struct listing *listing, const struct oua_proc *proc, struct ref directory, off_t offset) {
  int *tracees = NULL;
  int count = oua_tracees(&proc->pids, directory.tgid, &tracees);
  uint32_t guests = directory.tgid ? 0 : proc->tree.pid_count, guest = 0;
  int first = offset < PID_OFFSET ? 1 : (int)(offset - PID_OFFSET) + 1;
  for (int tracee = 0; tracee < count || guest < guests;) {
    int left = tracee < count ? tracees[tracee] : OUA_PID_MAX;
    int right = guest < guests ? proc->tree.pids[guest].pid : OUA_PID_MAX;
    int pid = left < right ? left : right;
    struct ref child = {.node = proc->tree.template, .tgid = directory.tgid ? directory.tgid : pid};
    if (directory.tgid)
      child.tid = pid;
    else if (left != pid || pid == 1)
      child = (struct ref){.node = right == pid ? proc->tree.pids[guest].node : 0};
    tracee += left == pid;
    guest += right == pid;
    if (right == pid && left != pid && proc->tree.pids[guest - 1].hidden) continue;
    /* The sandbox's init stands behind the guest's, see find_tracee(). */
    if (pid < first || (pid == 1 && left == pid && right != pid)) continue;
    char name[16];
    snprintf(name, sizeof name, "%d", pid);
    if (!list_entry(listing, name, oua_ino_of(child), S_IFDIR, PID_OFFSET + pid)) break;
  }
  free(tracees);
}

size_t oua_list(fuse_req_t request, const struct oua_proc *proc, struct ref directory, off_t offset, char *bytes,
                size_t size) {
  struct listing listing = {.request = request, .bytes = bytes, .size = size};
  bool room = list_nodes(&listing, proc, directory, offset);
  if (room && (directory.node == 0 || oua_node_of(proc, directory)->kind == OUA_TASKS))
    list_pids(&listing, proc, directory, offset);
  return listing.used;
}
