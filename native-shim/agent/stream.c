#include "stream.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "records.h"
#include "report.h"

/* A reader of one record's body. Once something is wrong it stays wrong, and gives zeros. */
struct cursor {
  const uint8_t *at;
  const uint8_t *end;
  bool bad;
};

static const uint8_t *take(struct cursor *cursor, size_t size) {
  static const uint8_t zeros[8];
  if (cursor->bad || size > (size_t)(cursor->end - cursor->at)) {
    cursor->bad = true;
    return size <= sizeof zeros ? zeros : NULL;
  }
  const uint8_t *data = cursor->at;
  cursor->at += size;
  return data;
}

static uint32_t take_u32(struct cursor *cursor) {
  const uint8_t *b = take(cursor, 4);
  return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint64_t take_u64(struct cursor *cursor) {
  uint64_t low = take_u32(cursor);
  return low | (uint64_t)take_u32(cursor) << 32;
}

static struct bytes take_bytes(struct cursor *cursor) {
  uint32_t length = take_u32(cursor);
  const uint8_t *data = take(cursor, (size_t)length + 1);
  if (cursor->bad || data[length] != 0) {
    cursor->bad = true;
    return (struct bytes){"", 0};
  }
  return (struct bytes){(const char *)data, length};
}

/* Bytes that go to the kernel as a string: no NUL inside. */
static const char *take_string(struct cursor *cursor) {
  struct bytes bytes = take_bytes(cursor);
  if (strlen(bytes.data) != bytes.length) cursor->bad = true;
  return bytes.data;
}

static bool plain_path(const char *path) {
  if (path[0] != '/' || strlen(path) >= PATH_MAX) return false;
  if (path[1] == '\0') return true;
  while (*path == '/') {
    size_t length = strcspn(++path, "/");
    if (length == 0 || length > NAME_MAX) return false;
    if (length <= 2 && strncmp(path, "..", length) == 0) return false;
    path += length;
  }
  return true;
}

/* An absolute path without `.`, `..` or empty components. */
static const char *take_path(struct cursor *cursor) {
  const char *path = take_string(cursor);
  if (!cursor->bad && !plain_path(path)) cursor->bad = true;
  return path;
}

static const uint8_t *take_digest(struct cursor *cursor) {
  struct bytes bytes = take_bytes(cursor);
  if (bytes.length != 0 && bytes.length != DIGEST_SIZE) cursor->bad = true;
  return bytes.length == DIGEST_SIZE ? (const uint8_t *)bytes.data : NULL;
}

/* A count can't be more than the elements that still fit, each at least `least` bytes. */
static uint32_t take_count(struct cursor *cursor, size_t least) {
  uint32_t count = take_u32(cursor);
  if (count > (size_t)(cursor->end - cursor->at) / least) cursor->bad = true;
  return cursor->bad ? 0 : count;
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (!memory) abort();
  return memory;
}

static char **take_strings(struct cursor *cursor) {
  uint32_t count = take_count(cursor, 5);
  char **strings = allocate((size_t)count + 1, sizeof *strings);
  for (uint32_t i = 0; i < count; i++) strings[i] = (char *)take_string(cursor);
  return strings;
}

static void take_precondition(struct cursor *cursor, struct precondition *it) {
  it->path = take_path(cursor);
  it->mode = take_u32(cursor);
  it->uid = take_u32(cursor);
  it->gid = take_u32(cursor);
  it->sha256 = take_digest(cursor);
  it->size = take_u64(cursor);
  it->target = take_bytes(cursor);
}

/* Where the contents lie in the file. */
struct extent {
  uint64_t start;
  uint64_t size;
};

static void take_put(struct cursor *cursor, struct change *it, const struct extent *contents) {
  it->mode = take_u32(cursor);
  it->uid = take_u32(cursor);
  it->gid = take_u32(cursor);
  it->timed = take_u32(cursor);
  it->seconds = (int64_t)take_u64(cursor);
  it->nanoseconds = take_u32(cursor);
  it->major = take_u32(cursor);
  it->minor = take_u32(cursor);
  it->offset = take_u64(cursor);
  it->size = take_u64(cursor);
  it->target = take_string(cursor);
  it->xattr_count = take_count(cursor, 10);
  it->xattrs = allocate(it->xattr_count, sizeof *it->xattrs);
  for (uint32_t i = 0; i < it->xattr_count; i++) {
    it->xattrs[i].name = take_string(cursor);
    it->xattrs[i].value = take_bytes(cursor);
  }
  it->output_count = take_count(cursor, 12);
  it->outputs = allocate(it->output_count, sizeof *it->outputs);
  uint32_t type = it->mode & S_IFMT;
  if (it->output_count > 0 && type != S_IFREG) cursor->bad = true;
  for (uint32_t i = 0; i < it->output_count; i++) {
    it->outputs[i].offset = take_u64(cursor);
    it->outputs[i].step = take_u32(cursor);
    uint64_t least = i > 0 ? it->outputs[i - 1].offset : 0;
    if (it->outputs[i].offset < least || it->outputs[i].offset > it->size) cursor->bad = true;
  }
  if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK && type != S_IFIFO && type != S_IFSOCK &&
      type != S_IFCHR && type != S_IFBLK)
    cursor->bad = true;
  if ((it->mode & ~(uint32_t)S_IFMT) > 07777 || it->nanoseconds > 999999999) cursor->bad = true;
  if (type == S_IFLNK && it->target[0] == '\0') cursor->bad = true;
  if (type != S_IFDIR && it->path[1] == '\0') cursor->bad = true;
  if (type == S_IFREG && (it->offset > contents->size || it->size > contents->size - it->offset)) cursor->bad = true;
  it->offset += contents->start;
}

static void take_merge(struct cursor *cursor, struct change *it, const struct extent *contents) {
  uint32_t format = take_u32(cursor);
  it->base_offset = take_u64(cursor);
  it->base_size = take_u64(cursor);
  if (format > MERGE_ALTERNATIVES || it->base_size > (format ? DATABASE_SIZE_MAX : 0)) cursor->bad = true;
  if (it->base_offset > contents->size || it->base_size > contents->size - it->base_offset) cursor->bad = true;
  if (format && it->kind == RECORD_PUT && (!S_ISREG(it->mode) || it->size > DATABASE_SIZE_MAX)) cursor->bad = true;
  if (format && it->output_count > 0) cursor->bad = true;
  it->merge = format;
  it->base_offset += contents->start;
}

static void take_change(struct cursor *cursor, enum record_kind kind, struct change *it, const struct extent *contents) {
  it->kind = kind;
  it->path = take_path(cursor);
  if (kind != RECORD_PUT && it->path[1] == '\0') cursor->bad = true;
  if (kind == RECORD_PUT) take_put(cursor, it, contents);
  if (kind == RECORD_LINK) it->to = take_path(cursor);
  if (kind != RECORD_LINK) take_merge(cursor, it, contents);
}

static void take_script(struct cursor *cursor, struct script *it) {
  it->path = take_path(cursor);
  it->sha256 = take_digest(cursor);
  it->cwd = take_path(cursor);
  it->argv = take_strings(cursor);
  it->environment = take_strings(cursor);
  it->text_argument = take_u32(cursor);
  it->text = take_bytes(cursor);
  it->input = take_bytes(cursor);
  it->terminal = take_u32(cursor);
  if (it->terminal > (TERMINAL_OUTPUT | TERMINAL_ERRORS)) cursor->bad = true;
  if (!it->sha256 || !it->argv[0]) cursor->bad = true;
  for (uint32_t word = 0; !cursor->bad && word < it->text_argument; word++)
    if (!it->argv[word + 1]) cursor->bad = true;
}

static struct cursor next_record(struct cursor *records, uint32_t *kind) {
  *kind = take_u32(records);
  uint32_t size = take_u32(records);
  const uint8_t *body = take(records, size);
  if (records->bad) return (struct cursor){.bad = true};
  return (struct cursor){.at = body, .end = body + size};
}

static bool count_records(const struct stream *stream, size_t counts[RECORD_END + 1]) {
  struct cursor records = {(const uint8_t *)stream->raw + STREAM_HEADER_SIZE,
                           (const uint8_t *)stream->raw + stream->raw_size, false};
  while (records.at < records.end) {
    uint32_t kind;
    next_record(&records, &kind);
    if (records.bad || kind < RECORD_IDENTITY || kind > RECORD_END) return false;
    counts[kind]++;
    if (kind == RECORD_END) return records.at == records.end;
  }
  return false;
}

static bool runs_program(enum step_kind kind) { return kind == STEP_SCRIPT || kind == STEP_ACTION; }

/* How many records of each kind there are is known: each goes to the next free element of its array. */
static bool decode(struct stream *stream, struct change *changes, const struct extent *contents) {
  struct cursor records = {(const uint8_t *)stream->raw + STREAM_HEADER_SIZE,
                           (const uint8_t *)stream->raw + stream->raw_size, false};
  uint32_t kind = 0, last = 0;
  uint32_t expected = 0; /* changes or scripts that the current step still has to get */
  while (kind != RECORD_END) {
    struct cursor body = next_record(&records, &kind);
    struct step *step = stream->step_count ? &stream->steps[stream->step_count - 1] : NULL;
    bool of_step = kind >= RECORD_PUT && kind <= RECORD_SCRIPT;
    if (of_step ? expected == 0 : expected != 0) return false;
    if (!of_step && kind < last) return false;
    if (of_step) {
      expected--;
      if ((kind == RECORD_SCRIPT) != runs_program(step->kind)) return false;
    } else {
      last = kind;
    }
    if (kind == RECORD_IDENTITY) {
      stream->identity.boot_id = take_bytes(&body);
      stream->identity.machine_id = take_bytes(&body);
      stream->identity.banner = take_bytes(&body);
      stream->identity.uptime = take_u64(&body);
      stream->identity.day = take_u64(&body);
    } else if (kind == RECORD_PRECONDITION) {
      take_precondition(&body, &stream->preconditions[stream->precondition_count++]);
    } else if (kind == RECORD_STEP) {
      step = &stream->steps[stream->step_count++];
      step->kind = take_u32(&body);
      step->number = take_u32(&body);
      expected = take_u32(&body);
      step->changes = changes;
      if (step->kind < STEP_FILES || step->kind > STEP_ACTION) return false;
      if (step->kind != STEP_FILES && expected != runs_program(step->kind)) return false;
    } else if (kind == RECORD_SCRIPT) {
      take_script(&body, &step->script);
    } else if (kind != RECORD_END) {
      take_change(&body, kind, changes++, contents);
      step->change_count++;
    }
    if (body.bad || body.at != body.end) return false;
  }
  return true;
}

static int read_all(int fd, void *buffer, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t got = pread(fd, (char *)buffer + done, size - done, (off_t)done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return -1;
    done += (size_t)got;
  }
  return 0;
}

int stream_load(struct stream *stream, int fd, bool contents) {
  uint8_t header[STREAM_HEADER_SIZE];
  struct stat status;
  memset(stream, 0, sizeof *stream);
  stream->fd = fd;
  if (fstat(fd, &status) < 0 || read_all(fd, header, sizeof header) < 0)
    return fail("STREAM_DAMAGED", "", "the replay stream can't be read");
  struct cursor cursor = {header + 8, header + sizeof header, false};
  uint32_t version = take_u32(&cursor), on_failure = take_u32(&cursor);
  uint64_t records_size = take_u64(&cursor), file_size = take_u64(&cursor);
  if (memcmp(header, STREAM_MAGIC, 8) != 0 || on_failure > ON_FAILURE_STOP)
    return fail("STREAM_DAMAGED", "", "this is no replay stream");
  if (version != STREAM_VERSION)
    return fail("STREAM_DAMAGED", "", "replay stream version %u, this agent plays %u", version, STREAM_VERSION);
  if (records_size > STREAM_RECORDS_MAX || file_size < STREAM_HEADER_SIZE + records_size ||
      (contents && file_size != (uint64_t)status.st_size))
    return fail("STREAM_DAMAGED", "", "the replay stream is cut off");
  memcpy(stream->plan, take(&cursor, DIGEST_SIZE), DIGEST_SIZE);
  stream->on_failure = on_failure;
  stream->raw_size = STREAM_HEADER_SIZE + (size_t)records_size;
  stream->raw = allocate(1, stream->raw_size);
  if (read_all(fd, stream->raw, stream->raw_size) < 0)
    return fail("STREAM_DAMAGED", "", "the replay stream is cut off");

  size_t counts[RECORD_END + 1] = {0};
  if (!count_records(stream, counts) || counts[RECORD_IDENTITY] != 1)
    return fail("STREAM_DAMAGED", "", "the replay stream has a broken record");
  stream->preconditions = allocate(counts[RECORD_PRECONDITION], sizeof *stream->preconditions);
  stream->steps = allocate(counts[RECORD_STEP], sizeof *stream->steps);
  struct change *changes =
      allocate(counts[RECORD_PUT] + counts[RECORD_LINK] + counts[RECORD_REMOVE], sizeof *changes);
  struct extent extent = {stream->raw_size, file_size - stream->raw_size};
  if (!decode(stream, changes, &extent)) return fail("STREAM_DAMAGED", "", "the replay stream has a broken record");
  return 0;
}
