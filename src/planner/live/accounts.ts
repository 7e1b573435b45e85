import type { Process } from '../../guest/guest.js';
import { readInShadow } from '../../shadow/fs/read.js';

/** Far above any real one. */
const maximumPasswd = 16 << 20;

/** Whether users of the guest have processes, by what ran at the suspend and whether an action may have ended it since. */
export class Accounts {
  readonly #root: string;
  readonly #busy: ReadonlySet<number>;
  #acted = false;

  /**
   * @param root the guest's `/` on the host
   * @param processes those that ran at the suspend
   */
  constructor(root: string, processes: readonly Pick<Process, 'uids'>[]) {
    this.#root = root;
    this.#busy = new Set(processes.flatMap(({ uids }) => uids.slice(0, 3)));
  }

  /** An action was recorded. */
  acted(): void {
    this.#acted = true;
  }

  /** Whether processes ran with that real, effective or saved user, which userdel(8) looks for, and may be gone by now. */
  isUncertain(name: string): boolean {
    const uid = this.#acted ? this.#uid(name) : undefined;
    return uid !== undefined && this.#busy.has(uid);
  }

  #uid(name: string): number | undefined {
    const passwd = readInShadow(this.#root, '/etc/passwd', maximumPasswd)?.toString('latin1') ?? '';
    const line = passwd.split('\n').find((each) => each.startsWith(`${name}:`));
    const uid = line?.split(':')[2] ?? '';
    return /^\d{1,10}$/.test(uid) ? Number(uid) : undefined;
  }
}
