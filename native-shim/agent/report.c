#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "write.h"

struct failure failure;

static int report_fd = STDOUT_FILENO;
static FILE *line;
static char *line_text;
static size_t line_size;

static void set_failure(const char *code, const char *path, const char *format, va_list arguments) {
  failure.set = true;
  failure.code = code;
  snprintf(failure.path, sizeof failure.path, "%s", path);
  vsnprintf(failure.message, sizeof failure.message, format, arguments);
}

int fail(const char *code, const char *path, const char *format, ...) {
  if (failure.set) return -1;
  va_list arguments;
  va_start(arguments, format);
  set_failure(code, path, format, arguments);
  va_end(arguments);
  return -1;
}

int fail_errno(const char *code, const char *path, const char *format, ...) {
  int error = errno;
  if (failure.set) return -1;
  va_list arguments;
  va_start(arguments, format);
  set_failure(code, path, format, arguments);
  va_end(arguments);
  size_t length = strlen(failure.message);
  snprintf(failure.message + length, sizeof failure.message - length, ": %s", strerror(error));
  if (error == ENOSPC || error == EDQUOT) failure.code = "DISK_FULL";
  return -1;
}

void report_to(int fd) { report_fd = fd; }

/* Length of the UTF-8 sequence at `s`, 0 when it is none. */
static size_t utf8_length(const unsigned char *s, size_t left) {
  size_t length = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
  if (length == 0 || length > left) return 0;
  for (size_t i = 1; i < length; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
      (s[0] == 0xf4 && s[1] > 0x8f))
    return 0;
  return length;
}

static void put_string(const char *text, size_t size) {
  const unsigned char *s = (const unsigned char *)text;
  fputc('"', line);
  for (size_t i = 0; i < size;) {
    size_t length = utf8_length(s + i, size - i);
    if (length == 0) {
      fputs("\\ufffd", line);
      i++;
    } else {
      if (s[i] < 0x20 || s[i] == 0x7f)
        fprintf(line, "\\u%04x", s[i]);
      else {
        if (s[i] == '"' || s[i] == '\\') fputc('\\', line);
        fwrite(s + i, 1, length, line);
      }
      i += length;
    }
  }
  fputc('"', line);
}

void report_begin(const char *event) {
  line = open_memstream(&line_text, &line_size);
  if (!line) abort();
  fputs("{\"event\":", line);
  put_string(event, strlen(event));
}

static void put_key(const char *key) { fprintf(line, ",\"%s\":", key); }

void report_number(const char *key, double value) {
  put_key(key);
  fprintf(line, "%.6f", value);
}

void report_integer(const char *key, long long value) {
  put_key(key);
  fprintf(line, "%lld", value);
}

void report_text(const char *key, const char *text, size_t length) {
  put_key(key);
  put_string(text, length);
}

void report_list(const char *key, char *const *texts, size_t count) {
  put_key(key);
  fputc('[', line);
  for (size_t i = 0; i < count; i++) {
    if (i) fputc(',', line);
    put_string(texts[i], strlen(texts[i]));
  }
  fputc(']', line);
}

/* A report that nobody can take any more must not end a replay half way: what fails here is let go. */
void report_end(void) {
  fputs("}\n", line);
  fclose(line);
  (void)write_all(report_fd, line_text, line_size);
  free(line_text);
}

double clock_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
