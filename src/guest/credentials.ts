import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent } from '../kernel/lists.js';
import type { Process } from './guest.js';

/** NGROUPS_MAX, `include/uapi/linux/limits.h`. */
const maxGroups = 65536;

/** Ids and capabilities of a `struct cred`, in the numbers of the initial user namespace. */
export function readCredentials(
  kernel: Kernel,
  address: bigint,
): Pick<Process, 'uids' | 'gids' | 'groups' | 'capabilities'> {
  const cred = kernel.view('cred', address);
  const user = kernel.view('user_struct', cred.pointer('user')).uint('uid');
  if (user !== cred.uint('uid'))
    throw inconsistent(`the cred at ${hex(address)} has the uid ${cred.uint('uid')}, its user ${user}`);
  return {
    uids: [cred.uint('uid'), cred.uint('euid'), cred.uint('suid'), cred.uint('fsuid')],
    gids: [cred.uint('gid'), cred.uint('egid'), cred.uint('sgid'), cred.uint('fsgid')],
    groups: readGroups(kernel, cred.pointer('group_info')),
    capabilities: {
      inheritable: cred.u64('cap_inheritable'),
      permitted: cred.u64('cap_permitted'),
      effective: cred.u64('cap_effective'),
      bounding: cred.u64('cap_bset'),
      ambient: cred.u64('cap_ambient'),
    },
  };
}

function readGroups(kernel: Kernel, address: bigint): number[] {
  if (address === 0n) return [];
  const info = kernel.view('group_info', address);
  const count = info.int('ngroups');
  if (count < 0 || count > maxGroups)
    throw inconsistent(`the group_info at ${hex(address)} has ${count} groups`);
  const bytes = kernel.read(info.at('gid'), count * 4);
  return Array.from({ length: count }, (_, index) => bytes.readUInt32LE(index * 4));
}
