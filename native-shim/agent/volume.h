/*
 * The agent's own files in the guest, as long as a replay lasts.
 *
 * Each mount that the plan changes has a state directory of its own, because names move by rename, which
 * can't leave a mount: /var/lib/ouassister/<plan> where /var/lib is, and `.ouassister-<plan>` at the top of
 * any other. For change C of step S there is in it
 *
 *   sS.C   what is going to be put in place. It is there from the start, and gone once the change was made:
 *          the directory entries are the log of what happened, and file systems keep their order.
 *   bS.C   what was at the path before: a hard link to it or the thing itself; for a directory, which others may
 *          have open, an empty one with the same metadata
 *
 * and beside them, in the first one only: `records` (the plan's records), `parents` (owner, mode and time of
 * the directories above changed names), `mounts` (on which mounts there are state directories), `output`,
 * `text` and `input` (of the running script) and `journal`, one word a line, synced: `staged`, `script S`, then `committed`,
 * `stopped` or `restored`. After one of these three only the directories are left to be removed.
 */
#ifndef OUA_AGENT_VOLUME_H
#define OUA_AGENT_VOLUME_H

#include <stdint.h>

#include "state.h"
#include "stream.h"

#define VOLUMES_MAX 64
struct volume {
  uint64_t mount;
  char top[4096]; /* where the mount is, as a guest path */
  char state_name[128];
  int state; /* descriptor of the state directory, -1 while there is none */
  bool gone; /* it was in memory, and the guest has booted since: nothing of it is there to be brought back */
  uint64_t bytes; /* what the plan puts here */
  uint64_t inodes;
  uint64_t merging; /* the largest database: merged, it is for a moment there once more */
};

extern struct volume volumes[VOLUMES_MAX];
extern int volume_count;

/* Whether a path is on a mount that is gone. */
bool is_gone(const char *path);
/* Finds (or notes, with `add`) the volume on which a name at `path` is. NULL after fail(). */
struct volume *volume_of(const char *path, bool add);

/* Makes the state directories, the first one first. */
int volumes_create(const uint8_t plan[DIGEST_SIZE]);
/* Opens those of an earlier run, and reads its journal. `name` is the directory's name in STATE_ROOT. */
int volumes_open(const char *name, struct journal *journal);
/* Removes the state directories and all that is in them, the first one last. */
int volumes_remove(void);
/* Removes STATE_ROOT when nothing is in it. */
int state_root_remove(void);
/* Everything written so far is on the disk. */
int volumes_sync(void);

#endif
