/** Runs tasks side by side, no more than some at a time. */
export class Bounded {
  readonly #most: number;
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly reason: unknown } | undefined;

  /** @param most tasks at a time */
  constructor(most: number) {
    this.#most = most;
  }

  /** Begins a task. Resolves when the next one may begin; after one has failed none begins. */
  async add(task: () => Promise<void>): Promise<void> {
    if (this.#failure) return;
    const running: Promise<void> = task()
      .catch((reason: unknown) => void (this.#failure ??= { reason }))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
    while (this.#running.size >= this.#most) await Promise.race(this.#running);
  }

  /** Resolves when none runs any more. Throws what the first one that failed has thrown. */
  async end(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure) throw this.#failure.reason;
  }
}
