#ifndef OUA_AGENT_HASH_H
#define OUA_AGENT_HASH_H

#include <stdint.h>

/*
 * SHA-256 of a file from its current offset, of `most` bytes at most: whoever may write to it could make it endless.
 * 0, or -1 with errno: EINTR when the agent is asked to stop, EFBIG when there is more.
 */
int hash_file(int fd, uint64_t most, uint8_t digest[32]);

#endif
