/* Compression of whole buffers, several times faster than Node's streams: a plan has thousands of small contents. */
#ifndef OUA_PACK_H
#define OUA_PACK_H

#include "abi.h"

/*
 * Compresses into the format of zlib (RFC 1950). Returns the bytes written, 0: `room` bytes are too few;
 * -ENOMEM.
 */
OUA_EXPORT int32_t oua_zlib_compress(const uint8_t *plain, int32_t size, uint8_t *packed, int32_t room);

#endif
