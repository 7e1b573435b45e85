#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Others take free devices, too, between the question and the answer. */
enum { ATTEMPTS = 64 };

static int configure(const char *device, const struct loop_config *config) {
  int fd = open(device, O_RDWR | O_CLOEXEC);
  if (fd < 0) return -errno;
  if (ioctl(fd, LOOP_CONFIGURE, config) == 0) return fd;
  int error = errno;
  close(fd);
  return -error;
}

static int attach(int control, const struct loop_config *config, char *device, size_t room) {
  int result = -EBUSY;
  for (int attempt = 0; result == -EBUSY && attempt < ATTEMPTS; attempt++) {
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) return -errno;
    snprintf(device, room, "/dev/loop%d", number);
    result = configure(device, config);
  }
  return result;
}

int32_t oua_attach_loop(const char *file, int64_t offset, int64_t size, void *device, int32_t room) {
  int backing = open(file, O_RDWR | O_CLOEXEC);
  if (backing < 0) return -errno;
  int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  struct loop_config config = {
      .fd = (uint32_t)backing,
      .info = {.lo_offset = (uint64_t)offset, .lo_sizelimit = (uint64_t)size, .lo_flags = LO_FLAGS_AUTOCLEAR},
  };
  int result = control < 0 ? -errno : attach(control, &config, device, (size_t)room);
  if (control >= 0) close(control);
  close(backing);
  return result;
}
