#include "accounts-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "process.h"
#include "report.h"

#define LOCK "/etc/.pwd.lock"
#define WAIT_SECONDS 15 /* as lckpwdf(3) */

static bool is_of_accounts(enum merge_format format) {
  return format == MERGE_ACCOUNTS || format == MERGE_SHADOW || format == MERGE_RANGES;
}

int accounts_lock(const struct change *change) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  const struct timespec moment = {.tv_nsec = 20000000};
  double started = clock_seconds();
  int fd = is_of_accounts(change->merge) ? open(LOCK, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
  while (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) < 0) {
    bool held = errno == EAGAIN || errno == EACCES;
    if (held && !stop_requested() && clock_seconds() - started < WAIT_SECONDS) {
      nanosleep(&moment, NULL);
      continue;
    }
    if (held) fail(stop_requested() ? "INTERRUPTED" : "GUEST_BUSY", LOCK, "a program that changes accounts holds the lock");
    else fail_errno("AGENT_FAILED", LOCK, "can't be taken");
    close(fd);
    return -2;
  }
  return fd;
}
