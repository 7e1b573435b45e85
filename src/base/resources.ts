/**
 * A stack of things to release, in reverse order of acquisition, on every path out.
 *
 * The shape is that of the standard `AsyncDisposableStack`, which Node 20 does not have yet.
 * Every release runs even when an earlier one throws; what was thrown is rethrown at the end,
 * as it is when there is one and as an `AggregateError` when there are several.
 */
export class ResourceStack implements AsyncDisposable {
  #releases: (() => void | Promise<void>)[] = [];

  /** Runs `release` when the stack is disposed. */
  defer(release: () => void | Promise<void>): void {
    this.#releases.push(release);
  }

  /** Takes charge of a disposable resource and hands it back. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    this.defer(async () => {
      if (Symbol.asyncDispose in resource) await resource[Symbol.asyncDispose]();
      else resource[Symbol.dispose]();
    });
    return resource;
  }

  /** Moves everything into a new stack: what an opener returns after all its steps went well. */
  move(): ResourceStack {
    const moved = new ResourceStack();
    moved.#releases = this.#releases;
    this.#releases = [];
    return moved;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (let release = this.#releases.pop(); release; release = this.#releases.pop()) {
      try {
        await release();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, 'several resources could not be released');
  }
}
