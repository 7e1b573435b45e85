#ifndef OUA_AGENT_HASH_H
#define OUA_AGENT_HASH_H

#include <stdint.h>

/* SHA-256 of a file from its current offset. 0, or -1 with errno: EINTR when the agent is asked to stop. */
int hash_file(int fd, uint8_t digest[32]);

#endif
