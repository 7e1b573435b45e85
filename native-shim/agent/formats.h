/* The databases that a replay merges, by format: how each is cut into records, and put together again. */
#ifndef OUA_AGENT_FORMATS_H
#define OUA_AGENT_FORMATS_H

#include <stdio.h>

#include "records.h"
#include "stream.h"

/* The three that are merged, and what comes of it, in order. */
struct sides {
  struct records base;
  struct records planned;
  struct records current;
  const struct record **merged;
  size_t merged_count;
};

struct format {
  /* NULL, or why the text is not of the format. */
  const char *(*parse)(const struct format *format, struct span text, struct records *records);
  /* NULL, or why the merged records don't go together, with the key that it is about; may be missing. */
  const char *(*check)(const struct format *format, const struct sides *sides, struct span *key);
  /* NULL, or why they can't be written, with the key that it is about. */
  const char *(*write)(const struct record *const *records, size_t count, FILE *to, struct span *key);
  /* Records of lines */
  unsigned lines; /* of one record */
  char separator;
  unsigned key;  /* number of the field of the first line that is the key */
  bool rest;     /* the key goes on to the end of the line */
  unsigned number; /* of the field, after colons, that two new records must not share */
  /* Paragraphs */
  const char *names[2]; /* of the fields that are the key; the second one may be missing */
};

const struct format *format_of(enum merge_format format);

#endif
