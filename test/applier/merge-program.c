/*
 * The agent's merge alone, for tests: reads cases on standard input, answers on standard output, until the end.
 *
 *   case     u32 format, u32 size of base, planned and current, and their bytes
 *   answer   u32 1: merged, 0: a conflict; u32 size, the bytes of the one or the words of the other
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"

/* Each text in memory of its own size: what reads beyond its end is found out. */
static struct span take(uint32_t size) {
  char *data = malloc(size);
  if (fread(data, 1, size, stdin) != size) exit(1);
  return (struct span){data, size};
}

static void answer(uint32_t good, const char *data, size_t size) {
  uint32_t head[2] = {good, (uint32_t)size};
  fwrite(head, sizeof head, 1, stdout);
  fwrite(data, 1, size, stdout);
  fflush(stdout);
}

int main(void) {
  uint32_t head[4];
  while (fread(head, sizeof head, 1, stdin) == 1) {
    struct span base = take(head[1]), planned = take(head[2]), current = take(head[3]);
    struct conflict conflict;
    char *merged = NULL;
    size_t size;
    if (merge(head[0], base, planned, current, &merged, &size, &conflict) == 0) answer(1, merged, size);
    else answer(0, conflict.text, strlen(conflict.text));
    free(merged);
    free((char *)base.at);
    free((char *)planned.at);
    free((char *)current.at);
  }
  return 0;
}
