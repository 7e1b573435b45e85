/*
 * Guest paths, resolved one component at a time below the root, never through a symbolic link: a link
 * that was put where a directory was must not lead a write elsewhere.
 */
#ifndef OUA_AGENT_PATHS_H
#define OUA_AGENT_PATHS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct place {
  int parent; /* O_PATH descriptor of the directory that holds it */
  char name[NAME_MAX + 1];
};

/* Opens the directory that holds `path`. Returns 0, or -1 with errno; close_place() afterwards. */
int open_place(const char *path, struct place *place);
void close_place(struct place *place);

/*
 * Opens the nearest directory above `path` that exists (itself, when it is a directory and `self`).
 * `length`, when given, becomes how much of `path` names it. Returns a descriptor or -1.
 */
int open_ancestor(const char *path, bool self, size_t *length);

/* lstat. False: nothing there; other failures set errno other than 0 and say false too. */
bool look(int directory, const char *name, struct stat *status);

/* Whether `path` is `directory` or below it, by name. */
bool is_above(const char *directory, const char *path);

/* Identifies the mount (not the file system: a bind mount is another one) that a descriptor lies on. */
int mount_of(int fd, uint64_t *mount);

#endif
