/* A walk over a tree that finds the few entries of interest among many, at about 1 µs an entry. */
#ifndef OUA_SCAN_H
#define OUA_SCAN_H

#include "abi.h"

/* Records are followed by the path, relative to the root and without NUL, padded to 8 bytes. */
struct oua_scan_entry {
  uint64_t inode;
  int64_t change_time; /* st_ctime, nanoseconds since the epoch */
  uint32_t mode;       /* st_mode */
  uint32_t links;      /* st_nlink */
  uint32_t path_length;
  uint32_t pad;
};

enum oua_scan_filter {
  OUA_SCAN_CHANGED = 0,    /* everything whose st_ctime is not before `since` */
  OUA_SCAN_HARD_LINKS = 1, /* whatever is no directory and has several names */
  OUA_SCAN_ENTERED = 2,    /* as CHANGED, where the directory has changed, too: other directories' files cost nothing */
};

/*
 * Walks everything below `root`, directories before what is in them, and writes a record for each entry that
 * the filter lets through (see oua_scan_filter). Follows no symbolic link. Returns the bytes written;
 * -ERANGE: `size` is too small; -ELOOP: a path with more than 256 components; -ENAMETOOLONG: one too long to be named.
 */
OUA_EXPORT int32_t oua_scan_tree(const char *root, int32_t filter, int64_t since, uint8_t *records, int32_t size);

#endif
