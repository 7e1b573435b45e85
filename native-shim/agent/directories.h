/* The directories above what a plan changes: noted before the first change, brought back after the last. */
#ifndef OUA_AGENT_DIRECTORIES_H
#define OUA_AGENT_DIRECTORIES_H

#include "stream.h"

/* Notes owner, mode and time of each one that there is. 0, or -1 after fail(). */
int directories_note(const struct stream *stream);

/*
 * Makes those above `path` that are missing, with the owner and mode that were noted; one that was not there
 * then is closed to all but root. 0, or -1 with errno: ENOTDIR or ELOOP when something else is there.
 */
int directories_make(const char *path);

/* Gives those in which names were changed the times that they had. */
void directories_restore_times(void);

#endif
