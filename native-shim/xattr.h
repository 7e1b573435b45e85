/* Extended attributes, which Node has no calls for. Paths are bytes that end in NUL; links are not followed. */
#ifndef OUA_XATTR_H
#define OUA_XATTR_H

#include "abi.h"

/* The names, each ending in NUL, as llistxattr(2). Returns their length in all; -ERANGE: `size` is too small. */
OUA_EXPORT int32_t oua_list_xattrs(const uint8_t *path, uint8_t *names, int32_t size);

/* The value of one attribute, as lgetxattr(2). Returns its length; -ERANGE: `size` is too small. */
OUA_EXPORT int32_t oua_get_xattr(const uint8_t *path, const char *name, uint8_t *value, int32_t size);

#endif
