/*
 * Days in a database that are those of the plan's making, and become the day of the replay: shadow(5) notes when a password
 * was last changed, for a new account the day on which it was made.
 */
#ifndef OUA_AGENT_DAYS_H
#define OUA_AGENT_DAYS_H

#include "records.h"
#include "stream.h"

/* Whether the days in databases of a format have to become others. */
bool days_differ(const struct stream *stream, enum merge_format format);
/* The text with today for each day from the plan's on, in new memory. */
struct span days_now(const struct stream *stream, struct span text);

#endif
