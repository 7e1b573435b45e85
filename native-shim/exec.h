/* Replaces this process by another program, which Node cannot do. */
#ifndef OUA_EXEC_H
#define OUA_EXEC_H

#include "abi.h"

/*
 * execvp(3): looks the first argument up in PATH and runs it with this process's environment. `argv` holds the
 * arguments, each ending in NUL, in `length` bytes. Returns only on failure.
 */
OUA_EXPORT int32_t oua_exec(const uint8_t *argv, int32_t length);

#endif
