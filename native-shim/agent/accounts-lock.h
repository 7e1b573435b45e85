/*
 * The lock of the account databases, lckpwdf(3). Whoever changes them holds it from reading one to putting another in
 * its place: so must the agent, or the one that ends last would take back what the other one has done.
 */
#ifndef OUA_AGENT_ACCOUNTS_LOCK_H
#define OUA_AGENT_ACCOUNTS_LOCK_H

#include "stream.h"

/*
 * Waits until it is free. A descriptor that holds it until it is closed; -1 when the change is of something else, or
 * the guest has no such lock; -2 after fail().
 */
int accounts_lock(const struct change *change);

#endif
