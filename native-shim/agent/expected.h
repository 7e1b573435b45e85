/*
 * What the plan knows to be at the paths that it changes: at first by its preconditions, then by its own
 * changes. Scripts in between may write there too; a change that puts their content away is to be told.
 */
#ifndef OUA_AGENT_EXPECTED_H
#define OUA_AGENT_EXPECTED_H

#include <stdbool.h>
#include <sys/stat.h>

#include "paths.h"
#include "stream.h"

/* A precondition that holds; `status` is what was found, st_mode 0 for nothing. */
void expect_found(const struct precondition *it, const struct stat *status);

/* What a file that is put has for a content: the plan's, that with what programs have printed, or the guest's changes too. */
enum made_content { AS_PLANNED, COMPLETED, MERGED };

void expect_made(const struct change *change, const struct place *place, enum made_content content);

/* Whether something with another content than the expected one is there. What can't be read counts as that. */
bool is_unexpected(const struct stream *stream, const char *path, const struct place *place);
/* Whether a file is what the stream has at `offset`, all of it. */
bool same_as_streamed(const struct stream *stream, uint64_t offset, uint64_t size, int fd);
/* Whether two looks saw one file, to which nothing wrote between them. */
bool same_look(const struct stat *one, const struct stat *other);

#endif
