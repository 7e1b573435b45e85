import type { PhysicalMemory, PhysicalRange } from '../../src/memory/memory.js';
import { hole } from '../../src/memory/refusals.js';

/** Memory of some ranges in buffers. */
export class SampleMemory implements PhysicalMemory {
  readonly path = 'sample';
  readonly format = 'sample';
  readonly architecture = undefined;
  readonly ranges: readonly PhysicalRange[];

  constructor(readonly parts: readonly { readonly start: number; readonly bytes: Buffer }[]) {
    this.ranges = parts.map(({ start, bytes }) => ({ start, end: start + bytes.length }));
  }

  read(address: number, length: number): Buffer {
    const part = this.parts.find(
      ({ start, bytes }) => address >= start && address + length <= start + bytes.length,
    );
    if (!part) throw hole(this.path, address);
    return part.bytes.subarray(address - part.start, address - part.start + length);
  }

  readInto(address: number, target: Buffer): void {
    this.read(address, target.length).copy(target);
  }

  [Symbol.dispose](): void {
    // nothing is held
  }
}

/** Pages as memory has them: zeros, text that repeats, and noise; the same for the same seed. */
export function samplePages(count: number, seed: number): Buffer {
  let state = seed * 2654435761 + 1;
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 16;
  };
  return Buffer.concat(
    Array.from({ length: count }, (_, index) => {
      const page = Buffer.alloc(4096);
      const kind = (index + seed) % 4;
      if (kind === 1) page.fill(`page ${index} of ${seed}; `);
      if (kind === 2) for (let at = 0; at < 4096; at += 2) page.writeUInt16LE(random(), at);
      if (kind === 3) for (let at = 0; at < 4096; at += 64) page.writeUInt32LE(random(), at);
      return page;
    }),
  );
}

/** Two ranges with a hole between them, the first from address 0 on. */
export function sampleMemory(seed = 1): SampleMemory {
  return new SampleMemory([
    { start: 0, bytes: samplePages(45, seed) },
    { start: 0x100000, bytes: samplePages(20, seed + 1) },
  ]);
}
