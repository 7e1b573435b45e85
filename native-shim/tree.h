/*
 * Makes files below a directory as a guest had them. `root` is a descriptor of that directory; paths are relative,
 * bytes that end in NUL, and lead through directories only: a symbolic link on the way is -ELOOP, and a last name
 * of "." or ".." is -EINVAL unless it says otherwise. Nothing of the guest's is ever resolved from the host's root.
 */
#ifndef OUA_TREE_H
#define OUA_TREE_H

#include "abi.h"

/* Makes a file of the type in `mode` (S_IFMT), or a directory, for its owner only; `major` and `minor` for devices. */
OUA_EXPORT int32_t oua_tree_make(int32_t root, const uint8_t *path, int32_t mode, int32_t major, int32_t minor);

OUA_EXPORT int32_t oua_tree_symlink(int32_t root, const uint8_t *path, const uint8_t *target);

/* Gives the file at `path` another name. */
OUA_EXPORT int32_t oua_tree_link(int32_t root, const uint8_t *path, const uint8_t *name);

/* Opens a regular file for writing. Returns a descriptor. */
OUA_EXPORT int32_t oua_tree_open(int32_t root, const uint8_t *path);

/* Sets owner and, but for a symbolic link, permission bits. "." is `root` itself. */
OUA_EXPORT int32_t oua_tree_set_owner(int32_t root, const uint8_t *path, int32_t uid, int32_t gid, int32_t mode);

/* Sets the times of the last access and change of content. "." is `root` itself. */
OUA_EXPORT int32_t oua_tree_set_times(int32_t root, const uint8_t *path, int64_t accessed, int32_t accessed_ns,
                                      int64_t modified, int32_t modified_ns);

/* Sets an extended attribute. "." is `root` itself. */
OUA_EXPORT int32_t oua_tree_set_xattr(int32_t root, const uint8_t *path, const char *name, const uint8_t *value,
                                      int32_t size);

#endif
