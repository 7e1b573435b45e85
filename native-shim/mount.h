/*
 * Work on mounts and files of a tree that a hostile guest wrote: every path of the guest's is resolved below a
 * root that the caller names, by openat2(2), so that no symbolic link of the guest's leads out of it.
 */
#ifndef OUA_MOUNT_H
#define OUA_MOUNT_H

#include "abi.h"

/*
 * Puts a copy of the mount that holds `source` (below `source_root`) onto `target` (below `target_root`).
 * No component of `source` or `target` may be a symbolic link: -ELOOP. Both are relative paths, "." for the root.
 * `attributes`: of MOUNT_ATTR_*, mount_setattr(2), what holds for the copy besides.
 */
OUA_EXPORT int32_t oua_attach_mount(const char *source_root, const char *source, const char *target_root,
                                    const char *target, int32_t attributes);

/* mkdir -p of `path` below `root`, new directories with mode 0755; follows no symbolic link. */
OUA_EXPORT int32_t oua_make_directory(const char *root, const char *path);

/*
 * Opens `path` for reading, or only to know it (O_PATH), with `root` as `/`: symbolic links are followed as a process
 * chrooted there would. Never blocks on a FIFO. Returns a file descriptor.
 */
OUA_EXPORT int32_t oua_open_in_root(const char *root, const char *path, int32_t only_known);

/* mount(2), as it is. */
OUA_EXPORT int32_t oua_mount(const char *source, const char *target, const char *type, int32_t flags, const char *data);

/* Takes a mount and all below it out of sight; it ends with its last user. Follows no symbolic link at the end of `path`. */
OUA_EXPORT int32_t oua_unmount(const char *path);

/* Writes back the file system that holds `path`, syncfs(2). */
OUA_EXPORT int32_t oua_sync_file_system(const char *path);

/* openat2(2), tried again while renames race with it. Returns a descriptor, or -errno. For other files of the shim. */
int oua_open_below(int directory, const char *path, uint64_t flags, uint64_t resolve);

#endif
