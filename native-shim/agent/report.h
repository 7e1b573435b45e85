/*
 * What the agent says: one JSON object a line, flushed at once, on standard output or a report file.
 * And the one failure that ends a run: the first one counts.
 */
#ifndef OUA_AGENT_REPORT_H
#define OUA_AGENT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

struct failure {
  bool set;
  const char *code; /* a name of src/applier/report.ts */
  char path[4096];  /* the guest's path that it is about, or empty */
  char message[1024];
};
extern struct failure failure;

/* Notes the failure, unless there is one already. Returns -1. */
__attribute__((format(printf, 3, 4))) int fail(const char *code, const char *path, const char *format, ...);
/* The same with errno's text appended. */
__attribute__((format(printf, 3, 4))) int fail_errno(const char *code, const char *path, const char *format, ...);

void report_to(int fd);
void report_begin(const char *event);
void report_number(const char *key, double value);
void report_integer(const char *key, long long value);
void report_text(const char *key, const char *text, size_t length);
void report_list(const char *key, char *const *texts, size_t count);
void report_end(void);

/* Monotonic seconds. */
double clock_seconds(void);

#endif
