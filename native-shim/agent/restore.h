/* File steps taken back. volume.h says how the state is kept. */
#ifndef OUA_AGENT_RESTORE_H
#define OUA_AGENT_RESTORE_H

#include "files.h"
#include "stream.h"

/*
 * Takes back every change that was made, newest first. May itself be interrupted and run again. What can't
 * be taken back, because something else is there now, is added to `left`. -1 after fail(): an old file could
 * not be brought back, and is still in the state directory.
 */
int files_restore(const struct stream *stream, struct path_list *left);

#endif
