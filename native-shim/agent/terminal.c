#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The slave is kept open here as well, so that the master never says that everyone has hung up. */
int terminal_open(struct terminal *terminal) {
  terminal->master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (terminal->master < 0) return -1;
  int locked = 0;
  bool unlocked = ioctl(terminal->master, TIOCSPTLCK, &locked) == 0;
  terminal->slave = unlocked ? ioctl(terminal->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
  if (terminal->slave >= 0) return 0;
  int error = errno;
  terminal_close(terminal);
  errno = error;
  return -1;
}

void terminal_close(struct terminal *terminal) {
  if (terminal->slave >= 0) close(terminal->slave);
  if (terminal->master >= 0) close(terminal->master);
  *terminal = (struct terminal){-1, -1};
}
