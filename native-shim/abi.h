/*
 * The shim's outer face. Every exported function takes ints, 64-bit ints, C strings and byte buffers only, and
 * returns a value >= 0 or -errno: that is what both FFI back ends can call. src/native/signatures.ts lists
 * them all; change both together and raise the version.
 */
#ifndef OUA_ABI_H
#define OUA_ABI_H

#include <stdint.h>

#define OUA_ABI_VERSION 9

#define OUA_EXPORT __attribute__((visibility("default")))

OUA_EXPORT int32_t oua_abi_version(void);

/* Bytes of a record that crosses the boundary, by its name in src/native/signatures.ts; -ENOENT: no such record. */
OUA_EXPORT int32_t oua_struct_size(const char *name);

#endif
