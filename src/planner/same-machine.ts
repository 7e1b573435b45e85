import { machine } from 'node:os';
import { OuaError } from '../base/errors.js';
import type { Uts } from '../guest/guest.js';

/**
 * Makes sure that the guest's programs can run here: planning runs its own package manager.
 * @throws OuaError `GUEST_UNSUPPORTED` for a guest of another architecture.
 */
export function requireSameMachine(uts: Pick<Uts, 'machine'>, host: string = machine()): void {
  if (uts.machine === host) return;
  throw new OuaError(
    'GUEST_UNSUPPORTED',
    `the guest runs on ${uts.machine}, and this host is ${host}`,
    `plan on a host of the same architecture; inspect works here`,
  );
}
