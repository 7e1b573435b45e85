#include "formats.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "alternatives.h"

/* ---- lines ---- */

static struct span key_of(const struct format *format, struct span line) {
  struct span key = field(line, format->separator, format->key);
  if (format->rest && key.size > 0) key.size = line.size - (size_t)(key.at - line.at);
  return key;
}

static const char *parse_lines(const struct format *format, struct span text, struct records *records) {
  while (text.size > 0) {
    struct span value = {text.at, 0}, first = {0};
    for (unsigned n = 0; n < format->lines; n++) {
      struct span line = take_line(&text);
      if (line.size == 0) return "it has an empty line, or a record that is cut off";
      if (n == 0) first = line;
      value.size = (size_t)(line.at + line.size - value.at);
    }
    struct span key = key_of(format, first);
    if (key.size == 0) return "it has a line without a key";
    const char *bad = records_add(records, key, value);
    if (bad) return bad;
  }
  return NULL;
}

static const char *write_lines(const struct record *const *records, size_t count, FILE *to, struct span *key) {
  (void)key;
  for (size_t i = 0; i < count; i++) {
    fwrite(records[i]->value.at, 1, records[i]->value.size, to);
    fputc('\n', to);
  }
  return NULL;
}

/* ---- numbers that must stay unique ---- */

struct numbered {
  struct span number;
  struct span key;
};

static int by_number(const void *a, const void *b) {
  const struct numbered *one = a, *other = b;
  int order = compare_spans(one->number, other->number);
  return order ? order : compare_spans(one->key, other->key);
}

/* The records of a side that have got their number since the base. */
static struct numbered *new_numbers(const struct format *format, const struct records *side, const struct records *base,
                                    size_t *count) {
  struct numbered *found = allocate_or_abort(side->count, sizeof *found);
  *count = 0;
  for (size_t i = 0; i < side->count; i++) {
    const struct record *it = &side->list[i], *before = records_find(base, it->key);
    struct span number = field(it->value, ':', format->number);
    if (number.size == 0 || (before && same(field(before->value, ':', format->number), number))) continue;
    found[(*count)++] = (struct numbered){number, it->key};
  }
  qsort(found, *count, sizeof *found, by_number);
  return found;
}

/* Both sides give out the next free number, not knowing of each other: two users of one uid would be one. */
static const char *check_numbers(const struct format *format, const struct sides *sides, struct span *key) {
  size_t planned_count, current_count, p = 0, c = 0;
  struct numbered *planned = new_numbers(format, &sides->planned, &sides->base, &planned_count);
  struct numbered *current = new_numbers(format, &sides->current, &sides->base, &current_count);
  const char *bad = NULL;
  while (!bad && p < planned_count && c < current_count) {
    int order = compare_spans(planned[p].number, current[c].number);
    if (order == 0 && !same(planned[p].key, current[c].key)) {
      *key = planned[p].key;
      bad = "its number was given to another one in the guest";
    }
    if (order <= 0) p++;
    if (order >= 0) c++;
  }
  free(planned);
  free(current);
  return bad;
}

/* ---- paragraphs ---- */

static struct span trimmed(struct span text) {
  while (text.size > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) text.at++, text.size--;
  while (text.size > 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t')) text.size--;
  return text;
}

/* deb822(5): a field, or the continuation of one. */
static const char *read_field(const struct format *format, struct span line, bool first, struct span values[2]) {
  if (trimmed(line).size == 0) return "it has a line of blanks";
  if (line.at[0] == ' ' || line.at[0] == '\t') return first ? "it has a paragraph that begins with a continuation" : NULL;
  const char *colon = memchr(line.at, ':', line.size);
  if (!colon) return "it has a line that is no field";
  size_t length = (size_t)(colon - line.at);
  for (int i = 0; i < 2 && format->names[i]; i++) {
    if (strlen(format->names[i]) != length || strncasecmp(format->names[i], line.at, length) != 0) continue;
    if (values[i].size > 0) return "it has a paragraph with two names";
    values[i] = trimmed((struct span){colon + 1, line.size - length - 1});
  }
  return NULL;
}

static const char *add_paragraph(struct records *records, const struct span values[2], struct span value) {
  if (values[0].size == 0) return "it has a paragraph without a name";
  if (values[1].size == 0) return records_add(records, values[0], value);
  size_t size = values[0].size + 1 + values[1].size;
  char *key = records_hold(records, size);
  if (!key) return "it is too large";
  memcpy(key, values[0].at, values[0].size);
  key[values[0].size] = ':';
  memcpy(key + values[0].size + 1, values[1].at, values[1].size);
  return records_add(records, (struct span){key, size}, value);
}

static const char *parse_paragraphs(const struct format *format, struct span text, struct records *records) {
  while (text.size > 0) {
    struct span line = take_line(&text), value = {line.at, 0}, values[2] = {0};
    if (line.size == 0) continue;
    const char *bad = NULL;
    for (bool first = true; !bad && line.size > 0; first = false) {
      bad = read_field(format, line, first, values);
      value.size = (size_t)(line.at + line.size - value.at);
      line = take_line(&text);
    }
    if (bad || (bad = add_paragraph(records, values, value))) return bad;
  }
  return NULL;
}

static const char *write_paragraphs(const struct record *const *records, size_t count, FILE *to, struct span *key) {
  (void)key;
  for (size_t i = 0; i < count; i++) {
    fwrite(records[i]->value.at, 1, records[i]->value.size, to);
    fputs("\n\n", to);
  }
  return NULL;
}

/* ---- the table ---- */

#define LINES .parse = parse_lines, .write = write_lines, .lines = 1
#define PARAGRAPHS .parse = parse_paragraphs, .write = write_paragraphs

static const struct format formats[] = {
    /* passwd(5), group(5): the third field is the uid or gid */
    [MERGE_ACCOUNTS] = {LINES, .separator = ':', .check = check_numbers, .number = 2},
    /* shadow(5), gshadow(5) */
    [MERGE_SHADOW] = {LINES, .separator = ':'},
    /* subuid(5), subgid(5): a user may have several; the second field is the first id of the range */
    [MERGE_RANGES] = {LINES, .separator = '\n', .check = check_numbers, .number = 1},
    /* dpkg's status */
    [MERGE_STATUS] = {PARAGRAPHS, .names = {"Package", "Architecture"}},
    /* debconf's config.dat, templates.dat, passwords.dat: debconf-devel(7) */
    [MERGE_DEBCONF] = {PARAGRAPHS, .names = {"Name"}},
    /* dpkg's diversions: from, to, package */
    [MERGE_DIVERSIONS] = {.parse = parse_lines, .write = write_lines, .lines = 3, .separator = '\n'},
    /* dpkg's statoverride: user, group, mode, path */
    [MERGE_STATOVERRIDE] = {LINES, .separator = ' ', .key = 3, .rest = true},
    /* dpkg's triggers/Unincorp: a trigger and the packages that await it */
    [MERGE_TRIGGERS] = {LINES, .separator = ' '},
    /* update-alternatives(1) */
    [MERGE_ALTERNATIVES] = {.parse = parse_alternatives, .check = check_alternatives, .write = write_alternatives},
};

const struct format *format_of(enum merge_format format) { return &formats[format]; }
