/* What a FUSE inode number of the shadow proc names. */
#ifndef OUA_FUSE_NODE_H
#define OUA_FUSE_NODE_H

#define FUSE_USE_VERSION 314
#include "fuse.h"

#include <fuse3/fuse_lowlevel.h>
#include <sys/stat.h>

/*
 * An inode number names a node of the tree (its index + 1), or a node of the template in one tracee:
 * bit 63 set, then tgid (22 bits), tid or 0 (22 bits), node (19 bits). Nothing needs to be kept or forgotten.
 */
struct ref {
  uint32_t node;
  int tgid; /* 0: static */
  int tid;  /* 0: the process's own directory */
  uid_t uid;
  gid_t gid;
};

const struct oua_node *oua_node_of(const struct oua_proc *proc, struct ref ref);
fuse_ino_t oua_ino_of(struct ref ref);
/* A static node, or one of the template in a tracee that must still be there. Returns 0 or -ENOENT. */
int oua_ref_of(const struct oua_proc *proc, fuse_ino_t ino, struct ref *ref);
/* The child of that name: 0 or -ENOENT. */
int oua_find_child(const struct oua_proc *proc, struct ref parent, const char *name, struct ref *child);
/* S_IFDIR, S_IFREG or S_IFLNK */
mode_t oua_type_of(const struct oua_node *node);
/* As procfs: files have size 0, blocks of 1024 bytes (PROC_BLOCK_SIZE). */
struct stat oua_stat_of(const struct oua_proc *proc, struct ref ref);

/*
 * Fills `bytes` with directory entries from `offset` on, for fuse_reply_buf(); returns the bytes used. In
 * fuse_list.c.
 */
size_t oua_list(fuse_req_t request, const struct oua_proc *proc, struct ref directory, off_t offset, char *bytes,
                size_t size);

#endif
