#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"
#include "stream.h"
#include "write.h"

static int state = -1;

void state_enter(int directory) { state = directory; }

int state_open(const char *name, int flags) { return openat(state, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600); }

int state_write(const char *name, const void *data, size_t size) {
  char temporary[64];
  snprintf(temporary, sizeof temporary, "%s.new", name);
  int fd = state_open(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  bool ok = fd >= 0 && write_all(fd, data, size) && fdatasync(fd) == 0 && renameat(state, temporary, state, name) == 0;
  int result = ok ? 0 : fail_errno("AGENT_FAILED", STATE_ROOT, "%s can't be written", name);
  if (fd >= 0) close(fd);
  return result;
}

static char *read_all(int fd, size_t *size) {
  struct stat status;
  if (fstat(fd, &status) < 0) return NULL;
  if ((uint64_t)status.st_size > STREAM_RECORDS_MAX) {
    errno = EFBIG;
    return NULL;
  }
  size_t length = (size_t)status.st_size;
  char *data = malloc(length + 1);
  if (!data) abort();
  ssize_t got = 0;
  for (*size = 0; *size < length && (got = pread(fd, data + *size, length - *size, (off_t)*size)) > 0;) *size += (size_t)got;
  data[*size] = '\0';
  if (got >= 0) return data;
  int error = errno;
  free(data);
  errno = error;
  return NULL;
}

char *state_read(const char *name, size_t *size) {
  int fd = state_open(name, O_RDONLY);
  if (fd < 0) return NULL;
  char *data = read_all(fd, size);
  int error = errno;
  close(fd);
  errno = error;
  return data;
}

int journal_read(struct journal *journal) {
  const struct {
    const char *word;
    bool *found;
  } words[] = {{"staged", &journal->staged},
               {"committed", &journal->committed},
               {"stopped", &journal->stopped},
               {"restored", &journal->restored}};
  size_t size = 0;
  *journal = (struct journal){0};
  char *text = state_read("journal", &size);
  if (!text) return errno == ENOENT ? 0 : fail_errno("AGENT_FAILED", STATE_ROOT, "the journal can't be read");
  /* What no newline ends was torn: it never counted. */
  for (char *line = text, *end; (end = memchr(line, '\n', size - (size_t)(line - text))); line = end + 1)
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
      if (strlen(words[i].word) == (size_t)(end - line) && memcmp(line, words[i].word, (size_t)(end - line)) == 0)
        *words[i].found = true;
  free(text);
  return 0;
}

bool journal_is_final(const struct journal *journal) {
  return journal->committed || journal->stopped || journal->restored;
}

/* Behind what was torn a word begins on a line of its own; one that is not safe on the disk is taken out again. */
static int append(int fd, const char *line, size_t length) {
  struct stat status;
  char last = '\n';
  if (fstat(fd, &status) < 0) return -1;
  if (status.st_size > 0 && pread(fd, &last, 1, status.st_size - 1) != 1) return -1;
  if ((last == '\n' || write_all(fd, "\n", 1)) && write_all(fd, line, length) && fdatasync(fd) == 0) return 0;
  int error = errno;
  if (ftruncate(fd, status.st_size) < 0) error = errno;
  errno = error;
  return -1;
}

int journal_write(const char *format, ...) {
  char text[128];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof text - 1, format, arguments);
  va_end(arguments);
  text[length++] = '\n';
  int fd = state_open("journal", O_RDWR | O_CREAT | O_APPEND);
  int result = fd < 0 ? -1 : append(fd, text, (size_t)length);
  if (result < 0) fail_errno("AGENT_FAILED", STATE_ROOT, "the journal can't be written");
  if (fd >= 0) close(fd);
  return result;
}
