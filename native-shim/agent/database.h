/*
 * Changes of databases, which live work in the guest changes too. What a plan has laid ready for one is right as long
 * as the guest has the content that the plan knows there; else the two are merged, just before the change is made.
 */
#ifndef OUA_AGENT_DATABASE_H
#define OUA_AGENT_DATABASE_H

#include "expected.h"
#include "names.h"
#include "paths.h"
#include "stream.h"

/*
 * Lays ready what the change is to put in place, when it must be another content than the plan's. `*made` tells
 * what it is. 0, or -1 after fail(): MERGE_CONFLICT when there is no content that has the changes of both.
 */
int database_prepare(const struct stream *stream, const struct change *change, const struct place *place, int state,
                     const struct names *names, enum made_content *made);

#endif
