import { OuaError } from './errors.js';

/** What an aborted operation throws. */
export function interrupted(cause: unknown): OuaError {
  return new OuaError('INTERRUPTED', 'interrupted', 'run it again when you are ready', { cause });
}

/** @throws OuaError `INTERRUPTED` once `signal` is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw interrupted(signal.reason);
}
