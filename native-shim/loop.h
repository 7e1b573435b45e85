/* Loop devices, loop(4). */
#ifndef OUA_LOOP_H
#define OUA_LOOP_H

#include "abi.h"

/*
 * Makes a loop device of `size` bytes from `offset` on of a file. Its path goes to `device`, of `room` bytes.
 * Returns a descriptor of it: the device goes with its last user.
 */
OUA_EXPORT int32_t oua_attach_loop(const char *file, int64_t offset, int64_t size, void *device, int32_t room);

#endif
