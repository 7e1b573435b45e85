import { architectureNamed } from '../../src/kernel/architectures.js';
import { Kernel } from '../../src/kernel/kernel.js';
import type { Member } from '../../src/kernel/layout.js';
import type { KernelLocation } from '../../src/kernel/locate.js';
import { X86Paging } from '../../src/kernel/paging-x86-64.js';
import { sealProfile } from '../../src/kernel/profile.js';
import type { PhysicalMemory } from '../../src/memory/memory.js';
import { BufferMemory } from '../memory/buffer-memory.js';

/** Kernel memory that a test writes structures into: virtual addresses are the physical ones. No pointer is below 8192. */
export class Arena {
  readonly bytes: Buffer;
  #end: number;

  constructor(size: number, start = 8192) {
    this.bytes = Buffer.alloc(size);
    this.#end = start;
  }

  /** The address of so many bytes that nothing else has, all 0. */
  allocate(size: number, alignment = 8): bigint {
    const start = Math.ceil(this.#end / alignment) * alignment;
    if (start + size > this.bytes.length) throw new Error('the arena is full');
    this.#end = start + size;
    return BigInt(start);
  }

  u8(address: bigint, value: number): void {
    this.bytes.writeUInt8(value, Number(address));
  }

  u32(address: bigint, value: number): void {
    this.bytes.writeUInt32LE(value, Number(address));
  }

  u64(address: bigint, value: bigint): void {
    this.bytes.writeBigUInt64LE(BigInt.asUintN(64, value), Number(address));
  }

  memory(): BufferMemory {
    return new BufferMemory(this.bytes);
  }
}

export interface SyntheticTypes {
  readonly structs: Readonly<Record<string, { size: number; members: Record<string, Member> }>>;
  readonly enums?: Readonly<Record<string, number>>;
  readonly symbols?: Readonly<Record<string, bigint>>;
}

/** A kernel of which only the types, symbols and memory that a test needs are there. */
export function syntheticKernel(memory: PhysicalMemory, types: SyntheticTypes): Kernel {
  const banner = 'Linux version 6.1.0-test (a@b) (gcc) #1 SMP test\n';
  const end = memory.ranges.at(-1)?.end ?? 0;
  const translate = (address: bigint) => (address < BigInt(end) ? Number(address) : undefined);
  const location: KernelLocation = {
    banner: { physical: 0, banner },
    architecture: architectureNamed('x86-64'),
    root: 0,
    paging: new X86Paging(4),
    moved: 0n,
    shift: 0n,
    space: { translate },
  };
  const symbols = Object.entries(types.symbols ?? {}).map(([name, address]) => [
    name,
    `0x${address.toString(16)}`,
  ]);
  const profile = sealProfile({
    formatVersion: 1,
    architecture: 'x86-64',
    release: '6.1.0-test',
    banner,
    buildId: null,
    symbols: Object.fromEntries(symbols) as Record<string, string>,
    enums: types.enums ?? {},
    structs: types.structs,
  });
  return new Kernel(memory, location, profile);
}
