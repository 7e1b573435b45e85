/*
 * What the sandbox launcher cannot do itself, done to a container that it has created and not yet started. Each
 * function forks a helper that joins the container's namespaces; the helper only makes system calls, it never
 * runs or reads a file of the guest.
 */
#ifndef OUA_CONTAINER_H
#define OUA_CONTAINER_H

#include "abi.h"

/*
 * Puts our `/proc` in place of the one that the launcher mounted, in the mount namespace of process `pid`:
 * the mount at `proc` (a host directory) becomes /proc, the launcher's procfs moves to /proc/.ouassister/real,
 * and `stub` (a host file) shows up as /proc/.ouassister/stub. -EINVAL when /proc there is no procfs.
 */
OUA_EXPORT int32_t oua_container_enter_proc(int32_t pid, const char *proc, const char *stub);

/* Makes `last` the last pid given out in the pid namespace of process `pid`: the next one is above it. */
OUA_EXPORT int32_t oua_container_set_last_pid(int32_t pid, int32_t last);

#endif
