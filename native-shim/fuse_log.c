/* The access log: a ring of bytes between the FUSE thread, which never waits for room, and JavaScript. */
#include "fuse.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RING_BYTES (1u << 20)
/* Of these, kept for attempts to write: each may be the reason to replay a script whole. */
#define WRITES_BYTES (RING_BYTES / 4)
#define DRAIN_HEADER 16
#define RECORD_HEADER 8
#define PATH_BYTES 512

struct oua_log {
  pthread_mutex_t mutex;
  uint64_t dropped, dropped_writes;
  uint32_t head; /* where the oldest record begins */
  uint32_t used;
  uint8_t ring[RING_BYTES];
};

struct oua_log *oua_log_new(void) {
  struct oua_log *log = calloc(1, sizeof *log);
  if (log) pthread_mutex_init(&log->mutex, NULL);
  return log;
}

void oua_log_free(struct oua_log *log) {
  if (!log) return;
  pthread_mutex_destroy(&log->mutex);
  free(log);
}

static void ring_put(struct oua_log *log, const void *bytes, uint32_t length) {
  uint32_t at = (log->head + log->used) % RING_BYTES;
  uint32_t first = length < RING_BYTES - at ? length : RING_BYTES - at;
  memcpy(log->ring + at, bytes, first);
  memcpy(log->ring, (const uint8_t *)bytes + first, length - first);
  log->used += length;
}

static void ring_peek(const struct oua_log *log, uint8_t *into, uint32_t length) {
  uint32_t first = length < RING_BYTES - log->head ? length : RING_BYTES - log->head;
  memcpy(into, log->ring + log->head, first);
  memcpy(into + first, log->ring, length - first);
}

void oua_log_put(struct oua_log *log, enum oua_access access, int host_tid, const char *comm, const char *path) {
  uint8_t comm_length = (uint8_t)strnlen(comm, 63);
  uint16_t path_length = (uint16_t)strnlen(path, PATH_BYTES);
  uint16_t length = (uint16_t)(RECORD_HEADER + comm_length + path_length);
  int32_t tid = host_tid;
  uint8_t header[RECORD_HEADER];
  memcpy(header, &length, 2);
  header[2] = (uint8_t)access;
  header[3] = comm_length;
  memcpy(header + 4, &tid, 4);

  pthread_mutex_lock(&log->mutex);
  bool write = access == OUA_WRITE_REFUSED;
  if (log->used + length > RING_BYTES - (write ? 0 : WRITES_BYTES)) {
    (*(write ? &log->dropped_writes : &log->dropped))++;
  } else {
    ring_put(log, header, RECORD_HEADER);
    ring_put(log, comm, comm_length);
    ring_put(log, path, path_length);
  }
  pthread_mutex_unlock(&log->mutex);
}

int64_t oua_log_drain(struct oua_log *log, uint8_t *buffer, int64_t length) {
  if (length < 1024) return -EINVAL;
  pthread_mutex_lock(&log->mutex);
  memcpy(buffer, &log->dropped, 8);
  memcpy(buffer + 8, &log->dropped_writes, 8);
  log->dropped = log->dropped_writes = 0;
  int64_t filled = DRAIN_HEADER;
  while (log->used) {
    uint8_t header[2];
    uint16_t record;
    ring_peek(log, header, 2);
    memcpy(&record, header, 2);
    if (record > length - filled) break;
    ring_peek(log, buffer + filled, record);
    filled += record;
    log->head = (log->head + record) % RING_BYTES;
    log->used -= record;
  }
  pthread_mutex_unlock(&log->mutex);
  return filled;
}
