#include "hash.h"

#include <errno.h>
#include <sha2.h>
#include <unistd.h>

#include "process.h"

int hash_file(int fd, uint64_t most, uint8_t digest[32]) {
  static uint8_t buffer[1 << 18];
  SHA2_CTX context;
  SHA256Init(&context);
  for (;;) {
    if (stop_requested()) {
      errno = EINTR;
      return -1;
    }
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    if ((uint64_t)got > most) {
      errno = EFBIG;
      return -1;
    }
    most -= (uint64_t)got;
    SHA256Update(&context, buffer, (size_t)got);
  }
  SHA256Final(digest, &context);
  return 0;
}
