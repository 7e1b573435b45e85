import type { Guest } from '../guest/guest.js';
import type { GuestIdentity } from '../plan/model.js';

const machineIdText = /^[0-9a-f]{32}$/;

/**
 * What tells this guest, at this suspend, from any other: taken from its memory, and from its disk only
 * where the memory does not have it.
 *
 * @param machineId content of the guest's `/etc/machine-id` (machine-id(5)), if it has one
 */
export function guestIdentity(guest: Guest, machineId: Buffer | undefined): GuestIdentity {
  const id = machineId?.toString('latin1').trim();
  return {
    banner: guest.banner,
    release: guest.uts.release,
    hostname: guest.uts.nodename,
    bootId: guest.bootId(),
    machineId: id !== undefined && machineIdText.test(id) ? id : undefined,
    rootUuid: guest.reachableMounts().find((mount) => mount.mountPoint === '/')?.uuid,
    suspendedAt: guest.wallClock(),
    uptime: guest.uptime().up,
  };
}
