/*
 * The shadow proc: a FUSE file system that serves one packed, immutable tree, with the parts that depend on
 * the caller (`self`, a tracee's own directory) computed here. It never calls into JavaScript and never waits
 * for anything but the kernel, so that a tracee inside a read can always go on.
 *
 * libfuse's low-level interface is used: nodes are numbers (an index into the tree is an inode number, no path
 * is ever built or looked up as text), and time-outs, owner and caller are given per reply.
 *
 * The packed tree, version 1. All numbers are little-endian.
 *
 *   header, 48 bytes
 *      0  u8[8]  "OUAPROC\0"
 *      8  u32    version, 1
 *     12  u32    length of the whole buffer
 *     16  u32    number of nodes
 *     20  u32    index of the template node, 0 for none
 *     24  u32    offset of the heap: 48 + 32 * nodes
 *     28  u32    length of the heap, up to the buffer's end
 *     32  i64    time of every node, seconds since the epoch
 *     40  u64    0
 *   nodes, 32 bytes each; node 0 is the root; children come after their parent, next to each other, in
 *   ascending order of their names' bytes
 *      0  u32    parent (the root's is 0)
 *      4  u8     kind, enum oua_kind
 *      5  u8     flags, OUA_NODE_*
 *      6  u16    permission bits, at most 0777
 *      8  u32    owner
 *     12  u32    group
 *     16  u32    name, offset into the heap
 *     20  u32    length of the name, 1..255 (0 for the root)
 *     24  u32    file, symlink: offset of the content in the heap; directory, template: index of the first child
 *     28  u32    file, symlink: length of the content; directory, template: number of children; 0 for the others
 *   heap: names and contents, no terminators
 */
#ifndef OUA_FUSE_H
#define OUA_FUSE_H

#include "abi.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum oua_kind {
  OUA_DIRECTORY = 1,
  OUA_FILE,
  OUA_SYMLINK,
  OUA_SELF,        /* symlink: the caller's process */
  OUA_THREAD_SELF, /* symlink: the caller's thread */
  OUA_UUID,        /* file: a fresh random UUID at each read */
  OUA_TEMPLATE,    /* directory: what each tracee's own directory holds; found under no name */
  OUA_REAL,        /* in the template. symlink into the hidden real procfs */
  OUA_TASKS,       /* in the template. directory: the tracee's threads, each with the template's content */
  OUA_KIND_END
};

/* Not in directory listings; what is looked up below it is not logged, but attempts to write are. */
#define OUA_NODE_HIDDEN 1

#define OUA_TREE_VERSION 1
#define OUA_TREE_HEADER 48
#define OUA_TREE_NODE 32
/* Bounds on what is accepted: dynamic inode numbers hold a node in 19 bits. */
#define OUA_TREE_NODES_MAX ((1u << 19) - 1)
#define OUA_TREE_BYTES_MAX (64u << 20)
/* PID_MAX_LIMIT, include/linux/threads.h. */
#define OUA_PID_MAX (1 << 22)

struct oua_node {
  uint32_t parent;
  uint8_t kind;
  uint8_t flags;
  uint16_t mode;
  uint32_t uid;
  uint32_t gid;
  uint32_t name;
  uint32_t name_length;
  uint32_t data;
  uint32_t data_length;
};

struct oua_tree {
  uint32_t count;
  uint32_t template; /* 0: none */
  int64_t time;
  const struct oua_node *nodes;
  const char *heap;
  /* The root's directories whose names are pids, in numeric order. */
  struct oua_guest_pid {
    int pid;
    uint32_t node;
    atomic_bool hidden; /* oua_proc_hide() */
  } *pids;
  uint32_t pid_count;
  void *memory;
};

/*
 * Copies and checks a packed tree: every index, offset and length, the order of the names, one parent for each
 * node, kinds where they belong. Returns 0, -EBADMSG (damaged), -EPROTONOSUPPORT (another version) or -ENOMEM.
 */
int oua_tree_load(struct oua_tree *tree, const void *bytes, size_t length);
void oua_tree_free(struct oua_tree *tree);

/* Index of the child of that name, 0 when there is none (the root is nobody's child). */
uint32_t oua_tree_find(const struct oua_tree *tree, uint32_t directory, const char *name, size_t length);

/* The entry of a guest's pid, NULL when the tree has none. */
struct oua_guest_pid *oua_guest_pid_of(const struct oua_tree *tree, int pid);

/* A pid as /proc spells it (no sign, no leading zero, below PID_MAX_LIMIT), else 0. */
int oua_pid_of(const char *name, size_t length);

/* Callers and tracees: fuse_callers.c */

struct oua_caller {
  int tgid; /* in the sandbox's pid namespace; 0 when the caller is out of sight */
  int tid;
  int host_tgid; /* the process in our own; 0 likewise */
  char comm[64]; /* as in `status`: escaped */
};

struct oua_pids {
  int host;               /* our own procfs */
  atomic_int real;        /* the sandbox's procfs, -1 before it is attached */
  atomic_uint level;      /* how many pid namespaces the sandbox's is below ours */
};

/* Opens our own procfs; -ENOSYS when /proc is not the procfs of our own pid namespace. */
int oua_pids_open(struct oua_pids *pids);
void oua_pids_close(struct oua_pids *pids);
/*
 * Takes the procfs that is mounted on <root of pid>/<path>/.ouassister/real as the tracees' own.
 * Returns 0 or -errno; -ENOTDIR when there is no procfs. A further call replaces the one before.
 */
int oua_pids_attach(struct oua_pids *pids, pid_t pid, const char *path);
/* Who makes a request: FUSE names the thread by its number in our pid namespace. */
struct oua_caller oua_caller_of(const struct oua_pids *pids, pid_t host_tid);
/* Whether a tracee (tid 0) or a tracee's thread is there, with owner and mode of its directory. */
bool oua_tracee(const struct oua_pids *pids, int tgid, int tid, uid_t *uid, gid_t *gid);
/* Live tracees (tgid 0) or the threads of one, ascending; the caller frees *list. Returns their number or -errno. */
int oua_tracees(const struct oua_pids *pids, int tgid, int **list);

/* The access log: fuse_log.c */

enum oua_access {
  OUA_FOUND_FILE = 1,
  OUA_FOUND_DIRECTORY,
  OUA_FOUND_SYMLINK,
  OUA_MISSING,
  OUA_LISTED,
  OUA_WRITE_REFUSED
};

struct oua_log;
struct oua_log *oua_log_new(void);
void oua_log_free(struct oua_log *log);
/*
 * Records one access, or counts it as dropped when the log is full; a part of it is for OUA_WRITE_REFUSED alone. Path is relative
 * to the root, "" for it.
 */
void oua_log_put(struct oua_log *log, enum oua_access access, int host_tid, const char *comm, const char *path);
/*
 * Moves whole records into `buffer`, oldest first. The buffer begins with two u64, how many were dropped since the
 * last call: of OUA_WRITE_REFUSED the second, of all others the first; then each record: u16 length of the record, u8 access, u8
 * length of comm, i32 host tid (of OUA_WRITE_REFUSED: its process), comm, path.
 * Returns the bytes used (16 when there was nothing) or -EINVAL when the buffer is smaller than 1024 bytes.
 */
int64_t oua_log_drain(struct oua_log *log, uint8_t *buffer, int64_t length);

/* What is served, fuse_proc.c and fuse_node.c, and by which thread, fuse_session.c */

struct fuse_lowlevel_ops;
struct oua_proc {
  struct oua_tree tree;
  struct oua_pids pids;
  struct oua_log *log;
};
extern const struct fuse_lowlevel_ops oua_proc_operations;

/* The outer face. All may be called from any thread. */

/* Whether a packed tree is sound: 0, or what oua_tree_load() says. */
OUA_EXPORT int32_t oua_proc_check(const uint8_t *bytes, int64_t length);
/*
 * Mounts a packed tree (it is copied) on a directory and serves it from a thread of its own. Returns a handle
 * >= 0, -EMFILE when OUA_PROC_MAX are mounted, or -errno of the step that failed.
 */
OUA_EXPORT int32_t oua_proc_start(const char *directory, const uint8_t *bytes, int64_t length);
/* oua_pids_attach() */
OUA_EXPORT int32_t oua_proc_attach(int32_t handle, int32_t pid, const char *path);
/* oua_log_drain() */
OUA_EXPORT int64_t oua_proc_drain(int32_t handle, uint8_t *buffer, int64_t length);
/* Id of the thread that serves it. */
OUA_EXPORT int32_t oua_proc_thread(int32_t handle);
/*
 * Whether that process of the guest is neither found nor listed from now on; what is open of it stays readable. Returns 0,
 * or -ESRCH when the tree has none of that number.
 */
OUA_EXPORT int32_t oua_proc_hide(int32_t handle, int32_t pid, int32_t hidden);
/*
 * Unmounts, ends the thread and the connection: whoever still holds a file of it gets ENOTCONN. Returns 0,
 * -EBADF for no such handle; everything is released even when -errno says that the unmount failed.
 */
OUA_EXPORT int32_t oua_proc_stop(int32_t handle);

#define OUA_PROC_MAX 16

#endif
