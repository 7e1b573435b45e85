#include "days.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SECONDS_A_DAY 86400
/* shadow(5): the third of nine fields. A line of gshadow(5) has four. */
#define CHANGED 2
#define COLONS 8
#define DIGITS_MAX 9

/* The same one from first to last: a replay over midnight must know its own records again. */
static uint64_t today(void) {
  static uint64_t day;
  if (day == 0) day = (uint64_t)time(NULL) / SECONDS_A_DAY;
  return day;
}

bool days_differ(const struct stream *stream, enum merge_format format) {
  return format == MERGE_SHADOW && today() != stream->identity.day;
}

static bool is_shadow(struct span line) {
  size_t colons = 0;
  for (size_t i = 0; i < line.size; i++) colons += line.at[i] == ':';
  return colons == COLONS;
}

static bool is_from(struct span text, uint64_t since) {
  uint64_t day = 0;
  for (size_t i = 0; i < text.size; i++) {
    if (text.at[i] < '0' || text.at[i] > '9') return false;
    day = day * 10 + (uint64_t)(text.at[i] - '0');
  }
  return text.size > 0 && text.size <= DIGITS_MAX && day >= since;
}

struct span days_now(const struct stream *stream, struct span text) {
  char *result = NULL;
  size_t size;
  FILE *to = open_memstream(&result, &size);
  if (!to) abort();
  while (text.size > 0) {
    struct span line = take_line(&text), day = is_shadow(line) ? field(line, ':', CHANGED) : (struct span){0};
    if (is_from(day, stream->identity.day)) {
      const char *rest = day.at + day.size;
      fwrite(line.at, 1, (size_t)(day.at - line.at), to);
      fprintf(to, "%llu", (unsigned long long)today());
      line = (struct span){rest, (size_t)(line.at + line.size - rest)};
    }
    fwrite(line.at, 1, line.size, to);
    fputc('\n', to);
  }
  if (fclose(to) != 0) abort();
  return (struct span){result, size};
}
