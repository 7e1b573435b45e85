import { OuaError } from '../base/errors.js';
import type { QmpClient, QmpEvents } from '../qemu/qmp.js';
import type { PhysicalMemory, PhysicalRange } from './memory.js';

/** The longest that a timer of Node waits: the end of the memory's use comes first. */
const asLongAsPossible = 2 ** 31 - 1;

/** Memory of a paused VM that stops being readable once the VM is resumed, or is gone. */
export class PausedMemory implements PhysicalMemory {
  readonly path: string;
  readonly format: string;
  readonly architecture: string | undefined;
  readonly ranges: readonly PhysicalRange[];
  readonly #inner: PhysicalMemory;
  readonly #qmp: QmpClient;
  #ended: OuaError | undefined;

  /** Takes charge of the memory and of the connection. */
  constructor(inner: PhysicalMemory, qmp: QmpClient) {
    this.path = `qmp:${qmp.path}`;
    this.format = inner.format;
    this.architecture = inner.architecture;
    this.ranges = inner.ranges;
    this.#inner = inner;
    this.#qmp = qmp;
    void this.#watch(qmp.events('RESUME', 'RESET', 'SHUTDOWN'));
  }

  read(address: number, length: number): Buffer {
    if (this.#ended) throw this.#ended;
    return this.#inner.read(address, length);
  }

  readInto(address: number, target: Buffer): void {
    if (this.#ended) throw this.#ended;
    this.#inner.readInto(address, target);
  }

  [Symbol.dispose](): void {
    this.#qmp[Symbol.dispose]();
    this.#inner[Symbol.dispose]();
  }

  async #watch(events: QmpEvents): Promise<void> {
    try {
      const { event } = await events.next({ timeoutMs: asLongAsPossible });
      this.#ended = new OuaError(
        'VM_NOT_PAUSED',
        `the VM at ${this.#qmp.path} went on while its memory was read (${event})`,
        'pause it, and keep it paused meanwhile',
      );
    } catch (error) {
      if (error instanceof OuaError) this.#ended = error;
      else throw error;
    }
  }
}
