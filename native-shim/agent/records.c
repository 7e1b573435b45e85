#include "records.h"

#include <stdlib.h>
#include <string.h>

struct block {
  struct block *next;
  char bytes[];
};

bool same(struct span a, struct span b) { return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0); }

int compare_spans(struct span a, struct span b) {
  size_t shorter = a.size < b.size ? a.size : b.size;
  int order = shorter ? memcmp(a.at, b.at, shorter) : 0;
  return order ? order : (a.size > b.size) - (a.size < b.size);
}

struct span take_line(struct span *text) {
  const char *end = text->size ? memchr(text->at, '\n', text->size) : NULL;
  struct span line = {text->at, end ? (size_t)(end - text->at) : text->size};
  size_t taken = line.size + (end != NULL);
  if (taken) text->at += taken;
  text->size -= taken;
  return line;
}

struct span field(struct span line, char separator, unsigned number) {
  for (;; number--) {
    const char *end = line.size ? memchr(line.at, separator, line.size) : NULL;
    if (number == 0) return (struct span){line.at, end ? (size_t)(end - line.at) : line.size};
    if (!end) return (struct span){line.at, 0};
    line.size -= (size_t)(end + 1 - line.at);
    line.at = end + 1;
  }
}

void *allocate_or_abort(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (!memory) abort();
  return memory;
}

const char *records_add(struct records *records, struct span key, struct span value) {
  if (records->count == DATABASE_RECORDS_MAX) return "there are too many records";
  if (records->count == records->capacity) {
    records->capacity = records->capacity ? 2 * records->capacity : 64;
    records->list = realloc(records->list, records->capacity * sizeof *records->list);
    if (!records->list) abort();
  }
  records->list[records->count++] = (struct record){key, value};
  return NULL;
}

char *records_hold(struct records *records, size_t size) {
  if (size > DATABASE_SIZE_MAX - records->held) return NULL;
  records->held += size;
  struct block *block = allocate_or_abort(1, sizeof *block + size);
  block->next = records->blocks;
  records->blocks = block;
  return block->bytes;
}

static int by_key(const void *a, const void *b) {
  return compare_spans((*(const struct record *const *)a)->key, (*(const struct record *const *)b)->key);
}

const char *records_index(struct records *records, struct span *key) {
  records->by_key = allocate_or_abort(records->count, sizeof *records->by_key);
  for (size_t i = 0; i < records->count; i++) records->by_key[i] = &records->list[i];
  qsort(records->by_key, records->count, sizeof *records->by_key, by_key);
  for (size_t i = 1; i < records->count; i++) {
    if (!same(records->by_key[i - 1]->key, records->by_key[i]->key)) continue;
    *key = records->by_key[i]->key;
    return "it is there twice";
  }
  return NULL;
}

const struct record *records_find(const struct records *records, struct span key) {
  struct record wanted = {.key = key};
  const struct record *at = &wanted;
  const struct record **found = bsearch(&at, records->by_key, records->count, sizeof *records->by_key, by_key);
  return found ? *found : NULL;
}

void records_free(struct records *records) {
  while (records->blocks) {
    struct block *next = records->blocks->next;
    free(records->blocks);
    records->blocks = next;
  }
  free(records->by_key);
  free(records->list);
  *records = (struct records){0};
}
