import type { ScriptExec } from './package-managers/package-manager.js';

/** A call of a maintainer script, told apart from others by its package, kind and arguments. */
export type CalledScript = Pick<ScriptExec, 'package' | 'kind' | 'args'>;

/**
 * The script calls that have to run in the guest, whole. That one has to be is found out while it runs offline, when it
 * has changed things already: so planning begins again from the guest's own state, and knows it then.
 */
export class WholeScripts {
  readonly #reasons = new Map<string, string>();

  get size(): number {
    return this.#reasons.size;
  }

  /** Why a call has to be one; undefined: it does not, as far as is known. */
  reason(script: CalledScript): string | undefined {
    return this.#reasons.get(key(script));
  }

  add(script: CalledScript, reason: string): void {
    this.#reasons.set(key(script), reason);
  }
}

const key = ({ package: name, kind, args }: CalledScript) => [name, kind, ...args].join('\0');
