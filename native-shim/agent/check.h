/* Everything that must hold before the first write. */
#ifndef OUA_AGENT_CHECK_H
#define OUA_AGENT_CHECK_H

#include "stream.h"

/* dpkg's, apt's and rpm's locks, taken as they take them. */
int locks_take(void);
/* Takes them on what is at their paths now; after files were put in place. */
int locks_renew(void);
/* dpkg itself needs its own one while it processes triggers. */
int database_lock_release(void);
int database_lock_take(void);

/* The guest is the planned one; `live` also that it goes on from the planned suspend. */
int check_identity(const struct stream *stream, bool live);
int check_preconditions(const struct stream *stream);
/* Notes the volumes that the plan changes and sees that they can take it. */
int check_space(const struct stream *stream);

#endif
