/*
 * The administrative file of a group of alternatives, as update-alternatives keeps it in /var/lib/dpkg/alternatives:
 *
 *   auto or manual
 *   the link
 *   for each slave: its name and its link
 *   (empty)
 *   for each alternative: its path, its priority, and for each slave its path or nothing
 *   (empty)
 *
 * Each of these is a record: `status`, `link`, `slave NAME`, and an alternative by its path. An alternative's value
 * names its slaves, so that it stays the same when slaves that it does not have come and go.
 */
#ifndef OUA_AGENT_ALTERNATIVES_H
#define OUA_AGENT_ALTERNATIVES_H

#include "formats.h"

const char *parse_alternatives(const struct format *format, struct span text, struct records *records);

/*
 * Which alternative the links lead to is in the links, not in the file: they are changed by whoever made another
 * choice. That must be one of the two sides, and its choice must still be right once both are merged.
 */
const char *check_alternatives(const struct format *format, const struct sides *sides, struct span *key);

const char *write_alternatives(const struct record *const *records, size_t count, FILE *to, struct span *key);

#endif
