/*
 * The agent's own files in the guest, as long as a replay lasts.
 *
 * Each mount that the plan changes has a state directory of its own, because names move by rename, which
 * can't leave a mount: /var/lib/ouassister/<plan> where /var/lib is, and `.ouassister-<plan>` at the top of
 * any other. For change C of step S there is in it
 *
 *   sS.C   what is going to be put in place. It is there from the start, and gone once the change was made:
 *          the directory entries are the log of what happened, and file systems keep their order.
 *   bS.C   what was at the path before: a hard link to it or the thing itself; for a directory whose
 *          metadata changes, an empty directory with the old metadata
 *
 * and beside them, in the first one only: `records` (the plan's records), `parents` (owner, mode and time of
 * the directories above changed names), `mounts` (where the other state directories are), `output`,
 * `text` and `input` (of the running script) and `journal`, one word a line, synced: `staged`, `script S`, then `committed`,
 * `stopped` or `restored`. After one of these three only the directories are left to be removed.
 */
#ifndef OUA_AGENT_VOLUME_H
#define OUA_AGENT_VOLUME_H

#include <stdint.h>

#include "stream.h"

#define VOLUMES_MAX 64
#define STATE_ROOT "/var/lib/ouassister"

struct volume {
  uint64_t mount;
  char top[4096]; /* where its state directory is, as a guest path */
  char state_name[128];
  int state; /* descriptor of the state directory, -1 while there is none */
  uint64_t bytes; /* what the plan puts here */
  uint64_t inodes;
  uint64_t merging; /* the largest database: merged, it is for a moment there once more */
};

extern struct volume volumes[VOLUMES_MAX];
extern int volume_count;

/* Finds (or notes, with `add`) the volume on which a name at `path` is. NULL after fail(). */
struct volume *volume_of(const char *path, bool add);

/* Makes the state directories, the first one first. */
int volumes_create(const uint8_t plan[DIGEST_SIZE]);
/* Opens those of an earlier run. `name` is the directory's name in STATE_ROOT. */
int volumes_open(const char *name);
/* Removes the state directories and all that is in them, the first one last. */
int volumes_remove(void);
/* Removes STATE_ROOT when nothing is in it. */
int state_root_remove(void);
/* Everything written so far is on the disk. */
int volumes_sync(void);

/* A file of the first state directory, replaced as a whole and durable. */
int state_write(const char *name, const void *data, size_t size);
/* Reads one, with a NUL after it, into new memory; NULL with errno when there is none. */
char *state_read(const char *name, size_t *size);
int state_open(const char *name, int flags);

int journal_write(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Whether the journal has this line, whole. */
bool journal_has(const char *word);

#endif
