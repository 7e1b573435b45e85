import { readInShadow } from '../../shadow/fs/read.js';
import type { UnitProcesses } from './unit-processes.js';

/** Far above any real one. */
const maximumPasswd = 16 << 20;

/** Whether users of the guest have processes, by what ran at the suspend and what actions may have ended since. */
export class Accounts {
  readonly #root: string;
  readonly #processes: UnitProcesses;
  #acted = false;

  /**
   * @param root the guest's `/` on the host
   * @param processes those that are not known to have ended
   */
  constructor(root: string, processes: UnitProcesses) {
    this.#root = root;
    this.#processes = processes;
  }

  /** An action was recorded. */
  acted(): void {
    this.#acted = true;
  }

  /** Whether processes have that user, which userdel(8) looks for, and may be gone by now. */
  isUncertain(name: string): boolean {
    const uid = this.#acted ? this.#uid(name) : undefined;
    return uid !== undefined && this.#processes.hasUser(uid);
  }

  #uid(name: string): number | undefined {
    const passwd = readInShadow(this.#root, '/etc/passwd', maximumPasswd)?.toString('latin1') ?? '';
    const line = passwd.split('\n').find((each) => each.startsWith(`${name}:`));
    const uid = line?.split(':')[2] ?? '';
    return /^\d{1,10}$/.test(uid) ? Number(uid) : undefined;
  }
}
