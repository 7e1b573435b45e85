import { OuaError } from '../base/errors.js';

/** How long one call may take, and what ends it early. */
export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** The answer to one call: settled by whoever receives it, by its deadline, or by an abort. */
export class Answer<T> {
  readonly promise: Promise<T>;
  #settle: { resolve: (value: T) => void; reject: (error: OuaError) => void } | undefined;
  readonly #release: () => void;

  /** @param what the call, for the message of `VM_UNREACHABLE` when the deadline passes. */
  constructor(what: string, timeoutMs: number, signal: AbortSignal | undefined) {
    const timer = setTimeout(
      () =>
        this.reject(
          new OuaError(
            'VM_UNREACHABLE',
            `${what} was not answered within ${timeoutMs / 1000} s`,
            'look at the VM, then try again',
          ),
        ),
      timeoutMs,
    );
    const abort = () => this.reject(new OuaError('INTERRUPTED', `${what} was interrupted`, 'run it again'));
    this.#release = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    this.promise = new Promise<T>((resolve, reject) => (this.#settle = { resolve, reject }));
    // Whoever waits sees the rejection; one that nobody waits for yet must not end the process.
    this.promise.catch(() => undefined);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort);
  }

  get settled(): boolean {
    return this.#settle === undefined;
  }

  resolve(value: T): void {
    this.#take()?.resolve(value);
  }

  reject(error: OuaError): void {
    this.#take()?.reject(error);
  }

  #take() {
    const settle = this.#settle;
    this.#settle = undefined;
    this.#release();
    return settle;
  }
}
