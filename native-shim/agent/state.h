/* The files of the first state directory, and the journal among them. volume.h says what they are. */
#ifndef OUA_AGENT_STATE_H
#define OUA_AGENT_STATE_H

#include <stdbool.h>
#include <stddef.h>

#define STATE_ROOT "/var/lib/ouassister"

/* From here on these files are in this directory. */
void state_enter(int directory);

/* A file that is replaced as a whole, and durable. */
int state_write(const char *name, const void *data, size_t size);
/* Reads one, with a NUL after it, into new memory; NULL with errno: ENOENT when there is none. */
char *state_read(const char *name, size_t *size);
int state_open(const char *name, int flags);

/* Which words the journal has. */
struct journal {
  bool staged, committed, stopped, restored;
};

int journal_read(struct journal *journal);
/* Whether the run has made of itself what it will be: only directories are left to be removed. */
bool journal_is_final(const struct journal *journal);
int journal_write(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
