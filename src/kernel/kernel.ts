import { OuaError } from '../base/errors.js';
import type { PhysicalMemory } from '../memory/memory.js';
import { releaseOf } from './banners.js';
import type { FieldName, StructName } from './layout.js';
import { hex, inconsistent } from './lists.js';
import type { KernelLocation } from './locate.js';
import type { AddressSpace } from './paging.js';
import type { Profile } from './profile.js';
import { readLayout, StructView, type ReadLayout } from './struct-view.js';
import { readWord, withinPiece } from './words.js';

/** Reads that one answer may take: a hundred times what a large guest needs, some seconds of work. */
const readBudget = 8_000_000;
const maxRead = 64 * 1024 * 1024;
const maxText = 64 * 1024;
/** Strings and structures are read by these pieces: the smallest page of any architecture. */
const pieceSize = 4096;

/**
 * The guest's kernel: its memory by virtual address, its variables by name, its structs by their members.
 * Reads of addresses that are not mapped throw OuaError `GUEST_INCONSISTENT`: the kernel only points at what is.
 */
export class Kernel {
  readonly banner: string;
  readonly release: string;
  readonly #layouts = new Map<string, ReadLayout>();
  #reads = 0;

  constructor(
    readonly memory: PhysicalMemory,
    readonly location: KernelLocation,
    readonly profile: Profile,
  ) {
    this.banner = location.banner.banner;
    this.release = releaseOf(this.banner) ?? profile.release;
  }

  /** Bytes of the kernel's pages: what its counters of pages count. */
  get pageSize(): number {
    return this.location.paging.pageSize;
  }

  /** Address of a variable or function, or undefined when this kernel has none of that name. */
  find(symbol: string): bigint | undefined {
    const text = this.profile.symbols[symbol];
    if (text === undefined) return undefined;
    const address = BigInt(text);
    const { architecture, shift } = this.location;
    return architecture.inImage(address) ? address + shift : address;
  }

  /** @throws OuaError `KERNEL_UNSUPPORTED` when this kernel has no such symbol. */
  symbol(name: string): bigint {
    const address = this.find(name);
    if (address !== undefined) return address;
    throw new OuaError(
      'KERNEL_UNSUPPORTED',
      `the kernel ${this.release} has no symbol ${name}`,
      'a kernel built with CONFIG_KALLSYMS_ALL has it; an old profile must be built again: ouassister profile build',
    );
  }

  /** The value of an enumerator, or undefined. */
  enumerator(name: string): number | undefined {
    return this.profile.enums[name];
  }

  /** Starts the count of reads anew: called before each answer, so that no damaged structure keeps us for ever. */
  resetBudget(): void {
    this.#reads = 0;
  }

  /** Bytes at a kernel-virtual address, at most 64 MiB. */
  read(address: bigint, length: number): Buffer {
    return this.#readMapped(address, length) ?? unmapped(address, length);
  }

  /** The same, or undefined where there are no bytes: for what may be no pointer at all. */
  readIfMapped(address: bigint, length: number): Buffer | undefined {
    try {
      return this.#readMapped(address, length);
    } catch (error) {
      // A device's registers are mapped, too.
      if (error instanceof OuaError && error.code === 'MEMORY_HOLE') return undefined;
      throw error;
    }
  }

  #readMapped(address: bigint, length: number): Buffer | undefined {
    if (++this.#reads > readBudget)
      throw inconsistent(`a walk through the kernel's structures does not end (at ${hex(address)})`);
    return readVirtual(this.memory, this.location.space, address, length);
  }

  /** The 64-bit word at an address. */
  pointer(address: bigint): bigint {
    return readWord(this.read(address, 8), 0);
  }

  u32(address: bigint): number {
    return this.read(address, 4).readUInt32LE(0);
  }

  i32(address: bigint): number {
    return this.read(address, 4).readInt32LE(0);
  }

  /**
   * The bytes of a C string, without its NUL.
   * @throws OuaError `GUEST_INCONSISTENT` when it does not end within `limit` bytes.
   */
  cstring(address: bigint, limit = pieceSize): Buffer {
    const parts: Buffer[] = [];
    for (let done = 0; done < Math.min(limit, maxText);) {
      const at = address + BigInt(done);
      const part = this.read(at, Math.min(limit - done, 64, pieceSize - withinPiece(at)));
      const end = part.indexOf(0);
      parts.push(end < 0 ? part : part.subarray(0, end));
      if (end >= 0) return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
      done += part.length;
    }
    throw inconsistent(`the text at ${hex(address)} does not end within ${limit} bytes`);
  }

  text(address: bigint, limit = pieceSize): string {
    return this.cstring(address, limit).toString('utf8');
  }

  /** A struct at an address; its bytes are read at once. */
  view<S extends StructName>(name: S, address: bigint): StructView<S> {
    const layout = this.layout(name);
    const start = layout.start === 0 ? address : address + BigInt(layout.start);
    return new StructView(name, address, layout, this.read(start, layout.end - layout.start));
  }

  /** The struct that embeds `member` at this address: the kernel's container_of(). */
  container<S extends StructName>(name: S, field: FieldName<S>, member: bigint): StructView<S> {
    return this.view(name, member - BigInt(this.offset(name, field)));
  }

  /** Bytes from a struct's start to a member. */
  offset<S extends StructName>(name: S, field: FieldName<S>): number {
    const member = this.layout(name).members[field];
    if (member) return member[0];
    throw new OuaError(
      'KERNEL_UNSUPPORTED',
      `the struct ${name} of the kernel ${this.release} has no ${field} that we know of`,
      'report the kernel release; an old profile must be built again: ouassister profile build',
    );
  }

  /** Whether this kernel's struct has a member that not all kernels have. */
  has<S extends StructName>(name: S, field: FieldName<S>): boolean {
    return this.profile.structs[name]?.members[field] !== undefined;
  }

  layout(name: StructName): ReadLayout {
    let layout = this.#layouts.get(name);
    if (!layout) {
      layout = readLayout(name, this.profile.structs[name]);
      this.#layouts.set(name, layout);
    }
    return layout;
  }

  /**
   * Bytes of a user process, or undefined when a page of them is not in memory.
   * @param pgd `mm->pgd`, kernel-virtual
   */
  readUser(pgd: bigint, address: bigint, length: number): Buffer | undefined {
    const root = this.location.space.translate(pgd);
    if (root === undefined) unmapped(pgd, 8);
    const space = this.location.paging.userSpace(this.memory, root);
    return readVirtual(this.memory, space, address, length);
  }
}

function readVirtual(
  memory: PhysicalMemory,
  space: AddressSpace,
  address: bigint,
  length: number,
): Buffer | undefined {
  if (length < 0 || length > maxRead)
    throw inconsistent(`a structure at ${hex(address)} claims ${length} bytes`);
  if (withinPiece(address) + length <= pieceSize) {
    const physical = space.translate(address);
    return physical === undefined ? undefined : memory.read(physical, length);
  }
  const target = Buffer.allocUnsafe(length);
  for (let done = 0; done < length;) {
    const at = address + BigInt(done);
    const physical = space.translate(at);
    if (physical === undefined) return undefined;
    const count = Math.min(length - done, pieceSize - withinPiece(at));
    memory.read(physical, count).copy(target, done);
    done += count;
  }
  return target;
}

function unmapped(address: bigint, length: number): never {
  throw inconsistent(`the kernel points at ${hex(address)}, but ${length} bytes there are not mapped`);
}
