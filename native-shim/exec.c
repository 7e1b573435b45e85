#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int32_t oua_exec(const uint8_t *argv, int32_t length) {
  if (length <= 0 || argv[length - 1] != 0) return -EINVAL;
  size_t count = 0;
  for (int32_t i = 0; i < length; i++) count += argv[i] == 0;
  char **arguments = calloc(count + 1, sizeof *arguments);
  if (!arguments) return -ENOMEM;
  char *next = (char *)argv;
  for (size_t i = 0; i < count; i++, next += strlen(next) + 1) arguments[i] = next;
  /* Node marks the standard streams close-on-exec when it starts. */
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) fcntl(stream, F_SETFD, 0);
  execvp(arguments[0], arguments);
  int error = errno;
  free(arguments);
  return -error;
}
