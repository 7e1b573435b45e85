/* A database's text, cut into records that are found by their keys. */
#ifndef OUA_AGENT_RECORDS_H
#define OUA_AGENT_RECORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The guest writes these files: what is larger is refused. A dpkg status of a very full system has some 20 MiB. */
#define DATABASE_SIZE_MAX (32u << 20)
#define DATABASE_RECORDS_MAX (1u << 18)

/* Bytes inside of a text, any bytes. */
struct span {
  const char *at;
  size_t size;
};

struct record {
  struct span key;
  struct span value; /* all of it, the key too, without the end of its last line */
};

struct records {
  struct record *list; /* in the order of the text */
  size_t count;
  size_t capacity;
  const struct record **by_key;
  struct block *blocks;
  size_t held;
};

bool same(struct span a, struct span b);
/* As memcmp; of two that begin alike the shorter one comes first. */
int compare_spans(struct span a, struct span b);

/* Takes the next line off a text, and gives it without its end. */
struct span take_line(struct span *text);
/* The field of a line with that number, from 0; empty when it has fewer. */
struct span field(struct span line, char separator, unsigned number);

void *allocate_or_abort(size_t count, size_t size);

/* Adds a record. NULL, or why it can't be. */
const char *records_add(struct records *records, struct span key, struct span value);
/* Memory that lives as long as the records; NULL when they would hold more than a database may. */
char *records_hold(struct records *records, size_t size);
/* After the last one was added, so that they can be found. NULL, or why not, and the key that it is about. */
const char *records_index(struct records *records, struct span *key);
/* NULL: there is none. */
const struct record *records_find(const struct records *records, struct span key);
void records_free(struct records *records);

#endif
