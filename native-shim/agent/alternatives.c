#include "alternatives.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define SLAVE "slave "
#define PREFIX (sizeof SLAVE - 1)

static const char cut_off[] = "it is cut off";
static const char too_large[] = "it is too large";

static struct span literal(const char *text) { return (struct span){text, strlen(text)}; }

/* update-alternatives wants each line ended. */
static bool whole_line(struct span *text, struct span *line) {
  bool ended = text->size > 0 && memchr(text->at, '\n', text->size);
  *line = take_line(text);
  return ended;
}

static bool is_priority(struct span text) {
  bool sign = text.size > 0 && text.at[0] == '-';
  if (text.size == sign || text.size > sign + 10u) return false;
  for (size_t i = sign; i < text.size; i++)
    if (text.at[i] < '0' || text.at[i] > '9') return false;
  return true;
}

static const char *parse_slaves(struct span *text, struct records *records) {
  struct span name, link;
  for (;;) {
    if (!whole_line(text, &name)) return cut_off;
    if (name.size == 0) return NULL;
    if (name.size > NAME_MAX || !whole_line(text, &link) || link.size == 0) return "it has a slave that is none";
    char *key = records_hold(records, PREFIX + name.size);
    if (!key) return too_large;
    memcpy(key, SLAVE, PREFIX);
    memcpy(key + PREFIX, name.at, name.size);
    const char *bad = records_add(records, (struct span){key, PREFIX + name.size}, link);
    if (bad) return bad;
  }
}

/* Reads the slaves' paths of one alternative. Without `to` it only measures. */
static bool name_slaves(struct span *text, const struct record *slaves, size_t count, char *to, size_t *size) {
  for (size_t i = 0; i < count; i++) {
    struct span path, name = {slaves[i].key.at + PREFIX, slaves[i].key.size - PREFIX};
    if (!whole_line(text, &path)) return false;
    if (path.size == 0) continue;
    if (to) {
      to[*size] = '\n';
      memcpy(to + *size + 1, name.at, name.size);
      to[*size + 1 + name.size] = '\n';
      memcpy(to + *size + name.size + 2, path.at, path.size);
    }
    *size += name.size + path.size + 2;
  }
  return true;
}

static const char *parse_alternative(struct span path, struct span *text, struct records *records, size_t slaves) {
  struct span priority;
  const struct record *first = records->list + 2;
  if (path.at[0] != '/' || !whole_line(text, &priority) || !is_priority(priority))
    return "it has an alternative that is none";
  struct span again = *text;
  size_t size = priority.size;
  if (!name_slaves(&again, first, slaves, NULL, &size)) return cut_off;
  char *value = records_hold(records, size);
  if (!value) return too_large;
  memcpy(value, priority.at, priority.size);
  size = priority.size;
  name_slaves(text, first, slaves, value, &size);
  return records_add(records, path, (struct span){value, size});
}

const char *parse_alternatives(const struct format *format, struct span text, struct records *records) {
  (void)format;
  struct span status, link, path;
  if (text.size == 0) return NULL;
  if (!whole_line(&text, &status) || (!same(status, literal("auto")) && !same(status, literal("manual"))))
    return "it does not begin with auto or manual";
  if (!whole_line(&text, &link) || link.size == 0) return "it has no link";
  records_add(records, literal("status"), status);
  records_add(records, literal("link"), link);
  const char *bad = parse_slaves(&text, records);
  size_t slaves = records->count - 2;
  while (!bad) {
    if (!whole_line(&text, &path)) return cut_off;
    if (path.size == 0) return text.size > 0 ? "something comes after its end" : NULL;
    bad = parse_alternative(path, &text, records, slaves);
  }
  return bad;
}

/* ---- choices ---- */

static bool is_alternative(const struct record *record) { return record->key.at[0] == '/'; }

static long priority_of(const struct record *alternative) {
  char digits[16] = "";
  struct span priority = field(alternative->value, '\n', 0);
  memcpy(digits, priority.at, priority.size < sizeof digits ? priority.size : sizeof digits - 1);
  return strtol(digits, NULL, 10);
}

/* What the links lead to: the first of the highest priority, or nothing that the file would tell. */
struct choice {
  bool manual;
  const struct record *best;
};

static void consider(struct choice *choice, const struct record *it) {
  if (same(it->key, literal("status"))) choice->manual = same(it->value, literal("manual"));
  if (!is_alternative(it)) return;
  long order = choice->best ? priority_of(it) - priority_of(choice->best) : 1;
  if (order > 0 || (order == 0 && compare_spans(it->key, choice->best->key) < 0)) choice->best = it;
}

static struct choice choice_of(const struct records *records) {
  struct choice choice = {0};
  for (size_t i = 0; i < records->count; i++) consider(&choice, &records->list[i]);
  return choice;
}

static bool same_choice(struct choice a, struct choice b) {
  if (a.manual || b.manual) return a.manual && b.manual;
  return a.best && b.best ? same(a.best->key, b.best->key) : a.best == b.best;
}

const char *check_alternatives(const struct format *format, const struct sides *sides, struct span *key) {
  (void)format;
  struct choice base = choice_of(&sides->base), planned = choice_of(&sides->planned),
                current = choice_of(&sides->current), merged = {0};
  for (size_t i = 0; i < sides->merged_count; i++) consider(&merged, sides->merged[i]);
  bool by_plan = same_choice(merged, planned), by_guest = same_choice(merged, current);
  if (by_plan && (by_guest || same_choice(current, base))) return NULL;
  if (by_guest && same_choice(planned, base)) return NULL;
  *key = merged.best ? merged.best->key : literal("status");
  return "the plan and the guest have chosen different ones";
}

/* ---- writing ---- */

static int by_key(const void *a, const void *b) {
  return compare_spans((*(const struct record *const *)a)->key, (*(const struct record *const *)b)->key);
}

/* Those of one kind, sorted as update-alternatives does. */
static const struct record **pick(const struct record *const *records, size_t count, bool alternatives, size_t *picked) {
  const struct record **found = allocate_or_abort(count, sizeof *found);
  *picked = 0;
  for (size_t i = 0; i < count; i++)
    if (alternatives ? is_alternative(records[i])
                     : records[i]->key.size > PREFIX && memcmp(records[i]->key.at, SLAVE, PREFIX) == 0)
      found[(*picked)++] = records[i];
  qsort(found, *picked, sizeof *found, by_key);
  return found;
}

static void put_line(struct span text, FILE *to) {
  if (text.size) fwrite(text.at, 1, text.size, to);
  fputc('\n', to);
}

static size_t slave_number(const struct record *const *slaves, size_t count, struct span name) {
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    struct span other = {slaves[middle]->key.at + PREFIX, slaves[middle]->key.size - PREFIX};
    int order = compare_spans(name, other);
    if (order == 0) return middle;
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return count;
}

static const char *write_alternative(const struct record *it, const struct record *const *slaves, size_t count,
                                     struct span *paths, FILE *to) {
  struct span rest = it->value;
  put_line(it->key, to);
  put_line(take_line(&rest), to);
  memset(paths, 0, count * sizeof *paths);
  while (rest.size > 0) {
    struct span name = take_line(&rest);
    size_t number = slave_number(slaves, count, name);
    if (number == count) return "it has a slave that the group has no more";
    paths[number] = take_line(&rest);
  }
  for (size_t i = 0; i < count; i++) put_line(paths[i], to);
  return NULL;
}

const char *write_alternatives(const struct record *const *records, size_t count, FILE *to, struct span *key) {
  const struct record *status = NULL, *link = NULL;
  for (size_t i = 0; i < count; i++) {
    if (same(records[i]->key, literal("status"))) status = records[i];
    if (same(records[i]->key, literal("link"))) link = records[i];
  }
  if (!status || !link) return count ? "it has lost its link" : NULL;
  size_t slave_count, alternative_count;
  const struct record **slaves = pick(records, count, false, &slave_count);
  const struct record **alternatives = pick(records, count, true, &alternative_count);
  struct span *paths = allocate_or_abort(slave_count, sizeof *paths);
  /* Each alternative has a line for each slave: of many of both, none may ever have come together. */
  const char *bad = alternative_count && slave_count > DATABASE_SIZE_MAX / alternative_count ? too_large : NULL;
  put_line(status->value, to);
  put_line(link->value, to);
  for (size_t i = 0; i < slave_count; i++) {
    put_line((struct span){slaves[i]->key.at + PREFIX, slaves[i]->key.size - PREFIX}, to);
    put_line(slaves[i]->value, to);
  }
  fputc('\n', to);
  for (size_t i = 0; !bad && i < alternative_count; i++) {
    *key = alternatives[i]->key;
    bad = write_alternative(alternatives[i], slaves, slave_count, paths, to);
  }
  fputc('\n', to);
  free(slaves);
  free(alternatives);
  free(paths);
  return bad;
}
