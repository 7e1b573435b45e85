#ifndef OUA_AGENT_WRITE_H
#define OUA_AGENT_WRITE_H

#include <stdbool.h>
#include <stddef.h>

/* All of it; false with errno. */
bool write_all(int fd, const void *data, size_t size);

#endif
