/* Events: put together at a stop, kept in a queue of bytes, handed out in as large pieces as are asked for. */
#include "trace-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_WORTH_A_RETURN (128u << 10)
/* More than the kernel ever takes for argv and environment together: three quarters of _STK_LIM, fs/exec.c. */
#define STRINGS_MAX ((size_t)8 << 20)
#define STRINGS_FIRST ((size_t)4096)

static bool grow(uint8_t **bytes, size_t *room, size_t wanted) {
  if (wanted <= *room) return true;
  size_t larger = *room ? *room : 256;
  while (larger < wanted) larger *= 2;
  uint8_t *grown = realloc(*bytes, larger);
  if (!grown) return false;
  *bytes = grown;
  *room = larger;
  return true;
}

void event_free(struct record *record) {
  free(record->bytes);
  *record = (struct record){0};
}

/* Zeroed room for so many bytes more, or NULL: then the record is lost, which event_send reports. */
static uint8_t *add(struct record *record, size_t length) {
  if (!record->bytes && record->length > 0) return NULL;
  if (!grow(&record->bytes, &record->room, record->length + length)) {
    event_free(record);
    record->length = SIZE_MAX;
    return NULL;
  }
  uint8_t *at = record->bytes + record->length;
  memset(at, 0, length);
  record->length += length;
  return at;
}

void event_begin(struct record *record, const struct oua_trace_event *event) {
  *record = (struct record){0};
  uint8_t *at = add(record, sizeof *event);
  if (at) memcpy(at, event, sizeof *event);
}

struct oua_trace_event *event_of(struct record *record) {
  static _Thread_local struct oua_trace_event nowhere;
  return record->bytes ? (struct oua_trace_event *)(void *)record->bytes : &nowhere;
}

void event_add_string(struct record *record, const void *bytes, size_t length) {
  uint32_t prefix = (uint32_t)length;
  uint8_t *at = add(record, sizeof prefix + length);
  if (!at) return;
  memcpy(at, &prefix, sizeof prefix);
  memcpy(at + sizeof prefix, bytes, length);
  event_of(record)->strings++;
}

int event_add_strings(struct record *record, pid_t tid, uint64_t address, int pointer_size) {
  size_t start = record->length;
  for (size_t room = STRINGS_FIRST; room <= STRINGS_MAX; room *= 4) {
    uint8_t *at = add(record, sizeof(uint32_t) + room);
    if (!at) return -ENOMEM;
    int32_t length = memory_read_strings(tid, address, pointer_size, at + sizeof(uint32_t), (int32_t)room);
    record->length = start;
    if (length >= 0) {
      uint32_t prefix = (uint32_t)length;
      memcpy(at, &prefix, sizeof prefix);
      record->length += sizeof prefix + prefix;
      event_of(record)->strings++;
      return 0;
    }
    if (length != -E2BIG) return length;
  }
  return -E2BIG;
}

void event_send(struct run *run, struct record *record, bool attention) {
  struct events *events = &run->events;
  if (record->bytes) add(record, -record->length % 8);
  if (events->start > 0 && events->start == events->length) events->start = events->length = 0;
  if (!record->bytes || !grow(&events->bytes, &events->room, events->length + record->length)) {
    run->failed = true;
    event_free(record);
    return;
  }
  event_of(record)->size = (uint32_t)record->length;
  memcpy(events->bytes + events->length, record->bytes, record->length);
  events->length += record->length;
  event_free(record);
  if (attention || events->length - events->start >= BYTES_WORTH_A_RETURN) run->attention = true;
}

void event_tell(struct run *run, struct oua_trace_event event, bool attention) {
  struct record record;
  event_begin(&record, &event);
  event_send(run, &record, attention);
}

int32_t event_take(struct run *run, uint8_t *bytes, int32_t length) {
  struct events *events = &run->events;
  size_t count = events->length - events->start;
  if (count > (size_t)length) count = (size_t)length;
  if (count > 0) memcpy(bytes, events->bytes + events->start, count);
  events->start += count;
  run->attention = events->start < events->length;
  return (int32_t)count;
}
