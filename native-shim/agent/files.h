/* File steps: laid ready and put in place. volume.h says how the state is kept. */
#ifndef OUA_AGENT_FILES_H
#define OUA_AGENT_FILES_H

#include "stream.h"

/* Paths that could not be dealt with as planned, for the report. */
struct path_list {
  char **paths;
  size_t count;
};
void path_list_add(struct path_list *list, const char *path);
void path_list_free(struct path_list *list);

/* What a step of changes has to tell. */
struct path_lists {
  struct path_list kept;      /* directories that were to go, but hold something that the plan does not know */
  struct path_list overwrote; /* where a script had put another content than the plan knew */
  struct path_list merged;    /* databases that the guest had changed too: they have both changes */
};
void path_lists_free(struct path_lists *lists);

/* Writes all that will be put in place, and notes the directories that will change. */
int files_stage(const struct stream *stream);

/*
 * Makes one step's changes. A directory that is to go but holds something that the plan does not know stays,
 * as with dpkg; a path where a script had put another content than the plan knew is changed all the same, or
 * merged when it is a database. 0, or -1 after fail().
 */
int files_apply(const struct stream *stream, uint32_t step, struct path_lists *told);

#endif
