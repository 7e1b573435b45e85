/* Owner, mode, extended attributes and times of one inode. */
#ifndef OUA_AGENT_METADATA_H
#define OUA_AGENT_METADATA_H

#include "stream.h"

/* Gives `name` in `directory` (the agent's own, so nobody moves it) all of a change's metadata. */
int metadata_set(int directory, const char *name, const struct change *change);
/* Gives an existing directory, open for reading, a change's metadata but not its time. */
int metadata_set_directory(int fd, const struct change *change);
/* Gives one directory all metadata of another, times included. Both open for reading. */
int metadata_copy(int from, int to);

#endif
