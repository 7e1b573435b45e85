/*
 * Three-way merge of a database, record by record: what the plan and the guest have each made of the same base.
 * A record that only one of them changed, added or removed is as that one has it; one that both changed alike is so;
 * one that they changed differently is a conflict. Records of the guest's own stay behind the one that they follow.
 */
#ifndef OUA_AGENT_MERGE_H
#define OUA_AGENT_MERGE_H

#include "records.h"
#include "stream.h"

struct conflict {
  char text[512]; /* printable: the record's key, and what is wrong */
};

/*
 * Each text of at most DATABASE_SIZE_MAX bytes, of which none is trusted. 0 and new memory in `merged`, or -1 and
 * `conflict`, which also says when a text is not of the format.
 */
int merge(enum merge_format format, struct span base, struct span planned, struct span current, char **merged,
          size_t *size, struct conflict *conflict);

#endif
