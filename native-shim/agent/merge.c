#include "merge.h"

#include <stdio.h>
#include <stdlib.h>

#include "formats.h"

#define KEY_SHOWN 100

static int refuse(struct conflict *conflict, const char *whose, struct span key, const char *what) {
  char name[KEY_SHOWN + 1];
  size_t size = key.size < KEY_SHOWN ? key.size : KEY_SHOWN;
  for (size_t i = 0; i < size; i++) name[i] = (unsigned char)key.at[i] < ' ' || key.at[i] == 0x7f ? '?' : key.at[i];
  name[size] = '\0';
  snprintf(conflict->text, sizeof conflict->text, "%s%s%s%s%s", whose, size ? "record '" : "", name, size ? "': " : "",
           what);
  return -1;
}

static int parse(const struct format *format, struct span text, struct records *records, const char *whose,
                 struct conflict *conflict) {
  struct span key = {0};
  const char *bad = format->parse(format, text, records);
  if (!bad) bad = records_index(records, &key);
  return bad ? refuse(conflict, whose, key, bad) : 0;
}

static bool equal(const struct record *a, const struct record *b) { return a && b ? same(a->value, b->value) : a == b; }

/* What becomes of one record; each may be NULL. False: a conflict. */
static bool resolve(const struct record *base, const struct record *planned, const struct record *current,
                    const struct record **result) {
  bool plan_counts = equal(current, base) || equal(planned, current);
  *result = plan_counts ? planned : current;
  return plan_counts || equal(planned, base);
}

/* Records of the guest's own, as a chain for each record of the plan that they follow; 0 is the beginning. */
struct chains {
  size_t *first, *last; /* numbers in the current records, from 1 */
  size_t *next;
};

static void append(struct chains *chains, size_t anchor, size_t number) {
  if (chains->last[anchor]) chains->next[chains->last[anchor]] = number;
  else chains->first[anchor] = number;
  chains->last[anchor] = number;
}

static void take_chain(struct sides *sides, const struct chains *chains, size_t anchor) {
  for (size_t n = chains->first[anchor]; n; n = chains->next[n])
    sides->merged[sides->merged_count++] = &sides->current.list[n - 1];
}

static const char both_changed[] = "the plan and the guest have both changed it";

/* The guest's own records find their places. NULL, or the record that is in conflict. */
static const struct record *place_own(const struct sides *sides, struct chains *chains) {
  size_t anchor = 0;
  for (size_t i = 0; i < sides->current.count; i++) {
    const struct record *it = &sides->current.list[i], *planned = records_find(&sides->planned, it->key);
    const struct record *base = planned ? NULL : records_find(&sides->base, it->key);
    if (planned) anchor = (size_t)(planned - sides->planned.list) + 1;
    else if (!base) append(chains, anchor, i + 1);
    else if (!equal(base, it)) return it;
  }
  return NULL;
}

static const struct record *merge_records(struct sides *sides, const struct chains *chains) {
  take_chain(sides, chains, 0);
  for (size_t i = 0; i < sides->planned.count; i++) {
    const struct record *it = &sides->planned.list[i], *result;
    if (!resolve(records_find(&sides->base, it->key), it, records_find(&sides->current, it->key), &result)) return it;
    if (result) sides->merged[sides->merged_count++] = result;
    take_chain(sides, chains, i + 1);
  }
  return NULL;
}

static int merge_sides(struct sides *sides, struct conflict *conflict) {
  struct chains chains = {
      .first = allocate_or_abort(sides->planned.count + 1, sizeof *chains.first),
      .last = allocate_or_abort(sides->planned.count + 1, sizeof *chains.last),
      .next = allocate_or_abort(sides->current.count + 1, sizeof *chains.next),
  };
  sides->merged = allocate_or_abort(sides->planned.count + sides->current.count, sizeof *sides->merged);
  const struct record *bad = place_own(sides, &chains);
  if (!bad) bad = merge_records(sides, &chains);
  free(chains.first);
  free(chains.last);
  free(chains.next);
  return bad ? refuse(conflict, "", bad->key, both_changed) : 0;
}

static int write_out(const struct format *format, const struct sides *sides, char **merged, size_t *size,
                     struct conflict *conflict) {
  struct span key = {0};
  const char *bad = format->check ? format->check(format, sides, &key) : NULL;
  FILE *to = open_memstream(merged, size);
  if (!to) abort();
  if (!bad) bad = format->write(sides->merged, sides->merged_count, to, &key);
  if (fclose(to) != 0) abort();
  if (!bad && *size > DATABASE_SIZE_MAX) bad = "it would become too large";
  if (!bad) return 0;
  free(*merged);
  *merged = NULL;
  return refuse(conflict, "", key, bad);
}

int merge(enum merge_format number, struct span base, struct span planned, struct span current, char **merged,
          size_t *size, struct conflict *conflict) {
  const struct format *format = format_of(number);
  struct sides sides = {0};
  int result = -1;
  if (parse(format, base, &sides.base, "as the plan began: ", conflict) == 0 &&
      parse(format, planned, &sides.planned, "as it was planned: ", conflict) == 0 &&
      parse(format, current, &sides.current, "as the guest has it: ", conflict) == 0 &&
      merge_sides(&sides, conflict) == 0)
    result = write_out(format, &sides, merged, size, conflict);
  free(sides.merged);
  records_free(&sides.base);
  records_free(&sides.planned);
  records_free(&sides.current);
  return result;
}
