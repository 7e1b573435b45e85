#include "xattr.h"

#include <errno.h>
#include <sys/xattr.h>

int32_t oua_list_xattrs(const uint8_t *path, uint8_t *names, int32_t size) {
  ssize_t length = llistxattr((const char *)path, (char *)names, (size_t)size);
  return length < 0 ? -errno : (int32_t)length;
}

int32_t oua_get_xattr(const uint8_t *path, const char *name, uint8_t *value, int32_t size) {
  ssize_t length = lgetxattr((const char *)path, name, value, (size_t)size);
  return length < 0 ? -errno : (int32_t)length;
}
