/* What the agent's own files of one change are called; volume.h says what they are. */
#ifndef OUA_AGENT_NAMES_H
#define OUA_AGENT_NAMES_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "stream.h"

struct names {
  char staged[32];
  char backup[32];
  char fresh[32]; /* being made: never looked at by recovery */
};

static inline struct names names_of(uint32_t step, uint32_t change) {
  struct names names;
  snprintf(names.staged, sizeof names.staged, "s%u.%u", step, change);
  snprintf(names.backup, sizeof names.backup, "b%u.%u", step, change);
  snprintf(names.fresh, sizeof names.fresh, "f%u.%u", step, change);
  return names;
}

static inline bool is_directory_put(const struct change *change) {
  return change->kind == RECORD_PUT && S_ISDIR(change->mode);
}

static inline int open_child(int parent, const char *name) {
  return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

#endif
