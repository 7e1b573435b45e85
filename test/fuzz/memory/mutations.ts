import type { Random } from '../random.js';
import type { OverlayMemory } from './overlay.js';
import { pageSize } from './overlay.js';
import { entriesOf, type Place, type Target, type TargetStruct } from './target.js';

/** One way of spoiling an image. */
export interface Mutation {
  readonly kind: string;
  readonly weight: number;
  /** Spoils what only a reader without a profile looks at. */
  readonly cold?: boolean;
  /** Spoils an image and says how. */
  readonly apply: (random: Random, image: OverlayMemory, target: Target) => string;
}

const mebi = 1 << 20;
const hugePage = 2 * mebi;
const mostPages = 1024;
const mostFlips = 10_000;
const hex = (value: number | bigint) => `0x${value.toString(16)}`;

/** All mutations. What answers are read from is hit far more often than memory at large, where most bytes say nothing. */
export const mutations: readonly Mutation[] = [
  {
    kind: 'bits of a member',
    weight: 20,
    apply: (random, image, target) => {
      const { struct, offset, size } = someMember(random, target);
      const bytes = bytesAt(image, target, struct.address + BigInt(offset), size);
      flip(random, bytes, random.few(4));
      target.write(image, struct.address + BigInt(offset), bytes);
      return `${struct.name} at ${hex(struct.address)}, bits of the ${size} bytes at ${offset}`;
    },
  },
  {
    kind: 'pointer of a struct',
    weight: 20,
    apply: (random, image, target) => {
      const struct = someStruct(random, target);
      const pointers = struct.members.filter(([, size]) => size >= 8);
      const [offset, size] = random.pick(pointers.length > 0 ? pointers : [[0, 8]]);
      const at = offset + 8 * random.below(Math.floor(size / 8));
      const value = strangePointer(random, target, struct);
      target.write(image, struct.address + BigInt(at), word(value));
      return `${struct.name} at ${hex(struct.address)}, the pointer at ${at} becomes ${hex(value)}`;
    },
  },
  {
    kind: 'other value of a member',
    weight: 10,
    apply: (random, image, target) => {
      const { struct, offset, size } = someMember(random, target);
      const values = [Buffer.alloc(size), Buffer.alloc(size, 0xff), random.bytes(size)];
      const other = random.pick(target.structs.get(struct.name) ?? [struct]);
      values.push(bytesAt(image, target, other.address + BigInt(offset), size));
      const bytes = random.pick(values);
      target.write(image, struct.address + BigInt(offset), bytes);
      return `${struct.name} at ${hex(struct.address)}, ${size} bytes at ${offset} become ${bytes.toString('hex', 0, 16)}`;
    },
  },
  {
    kind: 'whole struct',
    weight: 6,
    apply: (random, image, target) => {
      const struct = someStruct(random, target);
      const bytes = random.pick([Buffer.alloc(struct.size), random.bytes(struct.size)]);
      target.write(image, struct.address, bytes);
      return `${struct.name} at ${hex(struct.address)} is overwritten`;
    },
  },
  {
    kind: 'page of a struct',
    weight: 8,
    apply: (random, image, target) => {
      const struct = someStruct(random, target);
      const page = pageAt(target.physical(struct.address));
      const other = pageAt(target.physical(someStruct(random, target).address));
      const fill = random.pick([
        () => Buffer.alloc(pageSize),
        () => random.bytes(pageSize),
        () => Buffer.from(image.read(other, pageSize)),
        // As a page whose second half was not written.
        () => Buffer.concat([image.read(page, pageSize / 2), Buffer.alloc(pageSize / 2)]),
      ])();
      image.write(page, fill);
      return `the page at ${hex(page)}, which holds a ${struct.name}, is overwritten`;
    },
  },
  {
    kind: 'variable',
    weight: 6,
    apply: (random, image, target) => {
      const address = random.pick(target.variables);
      const bytes = bytesAt(image, target, address, 64);
      flip(random, bytes, random.few(16));
      target.write(image, address, bytes);
      return `bits of the 64 bytes at ${hex(address)}`;
    },
  },
  {
    kind: 'list that loops',
    weight: 8,
    apply: (random, image, target) => {
      const ring = random.pick(target.rings);
      const from = random.pick(ring);
      const to = random.pick(ring);
      target.write(image, from, word(to));
      const both = random.below(2) === 1;
      if (both) target.write(image, to + 8n, word(from));
      return `the link at ${hex(from)} leads to ${hex(to)}${both ? ', and back' : ''}`;
    },
  },
  {
    kind: 'list that runs into another',
    weight: 4,
    apply: (random, image, target) => {
      const from = random.pick(random.pick(target.rings));
      const to = random.pick(random.pick(target.rings));
      const back = random.below(2) * 8;
      target.write(image, from + BigInt(back), word(to));
      return `the ${back ? 'back ' : ''}link at ${hex(from)} leads to ${hex(to)}`;
    },
  },
  {
    kind: 'page table',
    weight: 12,
    apply: (random, image, target) => {
      const address =
        random.below(8) === 0 ? random.pick(target.variables) : someStruct(random, target).address;
      const entry = random.pick(entriesOf(target, address));
      const bytes = Buffer.from(image.read(entry, 8));
      if (random.below(4) === 0) random.bytes(8).copy(bytes);
      else flip(random, bytes, random.few(3));
      image.write(entry, bytes);
      return `the page-table entry at ${hex(entry)} for ${hex(address)} becomes ${hex(bytes.readBigUInt64LE(0))}`;
    },
  },
  {
    kind: 'pages anywhere',
    weight: 5,
    apply: (random, image, target) => {
      const { start, end } = random.pick(target.memory.ranges);
      const count = random.few(mostPages);
      const first = pageAt(start + random.below(end - start));
      const zero = random.below(2) === 0;
      const length = Math.min(count * pageSize, end - first);
      image.write(first, zero ? Buffer.alloc(length) : random.bytes(length));
      return `${length} bytes at ${hex(first)} are ${zero ? 'zero' : 'noise'}`;
    },
  },
  {
    kind: 'bits anywhere',
    weight: 4,
    apply: (random, image, target) => {
      const count = random.few(mostFlips);
      for (let done = 0; done < count; done++) {
        const { start, end } = random.pick(target.memory.ranges);
        flipOne(random, image, { start, end });
      }
      return `${count} bits anywhere`;
    },
  },
  {
    kind: "kernel's image",
    weight: 4,
    apply: (random, image, target) => {
      const count = random.few(mostFlips);
      for (let done = 0; done < count; done++) flipOne(random, image, target.image);
      return `${count} bits of the kernel's image`;
    },
  },
  {
    kind: 'image that ends early',
    weight: 2,
    apply: (random, image, target) => {
      const { start, end } = random.pick(target.memory.ranges);
      const at = start + random.below(end - start);
      image.cut(at);
      return `no memory from ${hex(at)} on`;
    },
  },
  {
    kind: 'banners elsewhere',
    weight: 3,
    apply: (random, image, target) => {
      const count = random.few(100);
      for (let done = 0; done < count; done++) plantBanner(random, image, target);
      return `${count} banners in memory that has none`;
    },
  },
  {
    kind: 'second kernel',
    weight: 1,
    apply: (random, image, target) => {
      const tables = random.below(2) === 1;
      const start = Math.ceil(lastEnd(target) / hugePage + 1 + random.below(64)) * hugePage;
      image.add(start, kernelCopy(target, start, tables));
      return `a copy of the kernel at ${hex(start)}${tables ? ' with page tables of its own' : ''}`;
    },
  },
  {
    kind: 'symbol table',
    weight: 2,
    cold: true,
    apply: (random, image, target) => {
      const count = random.few(1000);
      for (let done = 0; done < count; done++) flipOne(random, image, target.symbols);
      return `${count} bits of the read-only data with the symbol table`;
    },
  },
  {
    kind: 'type information',
    weight: 3,
    cold: true,
    apply: (random, image, target) => {
      const count = random.few(1000);
      for (let done = 0; done < count; done++) flipOne(random, image, target.types);
      return `${count} bits of the type information`;
    },
  },
  {
    kind: 'none',
    weight: 0,
    apply: () => 'nothing',
  },
];

function someStruct(random: Random, { structs }: Target): TargetStruct {
  return random.pick(random.pick([...structs.values()]));
}

function someMember(random: Random, target: Target) {
  const struct = someStruct(random, target);
  const [offset, size] = random.pick(struct.members);
  return { struct, offset, size };
}

/** Pointers that a reader has to be ready for. */
function strangePointer(random: Random, target: Target, self: TargetStruct): bigint {
  const other = someStruct(random, target).address;
  return random.pick([
    () => 0n,
    () => 1n,
    () => self.address,
    () => other,
    () => other + BigInt(random.below(4096)),
    // The last bytes of a page, of the address space, and of what user space has.
    () => other | 0xfffn,
    () => 0xffff_ffff_ffff_ffffn,
    () => 0x7fff_ffff_fffcn,
    // Not canonical, and canonical, but in no mapping.
    () => other ^ (1n << BigInt(48 + random.below(15))),
    () => 0xffff_f000_0000_0000n | BigInt(random.u32()),
    () => random.bytes(8).readBigUInt64LE(0),
  ])();
}

/** A banner, or the data before it that tells a kernel's read-only data, where a kernel's could be. */
function plantBanner(random: Random, image: OverlayMemory, { banner, memory }: Target): void {
  const { start, end } = random.pick(memory.ranges);
  const at = start + random.below(end - start);
  const aligned = random.below(2) === 0 ? at - (at % hugePage) : at - (at % 8);
  const text = Buffer.from(`%s version %s (\0${banner}\0`, 'latin1');
  // A page that is all zero belongs to nobody: what is planted must not spoil anything else.
  if (aligned < start || aligned + pageSize > end || image.read(aligned, 256).some((byte) => byte !== 0))
    return;
  image.write(aligned, text);
}

function kernelCopy(target: Target, start: number, tables: boolean): Buffer {
  const { memory, image } = target;
  const first = image.start - (image.start % hugePage);
  const length = Math.ceil((image.end - first) / pageSize) * pageSize;
  const copy = Buffer.alloc(length);
  memory.readInto(first, copy);
  if (tables) moveTables(copy, first, start - first, target);
  return copy;
}

/** Lets the entries in the copy's page tables that lead into the original lead into the copy. */
function moveTables(copy: Buffer, first: number, distance: number, target: Target): void {
  const { image } = target;
  const moved = new Set<number>();
  const imageBase = 0xffffffff81000000n + target.anchor.shift;
  for (let at = 0; at < image.end - first; at += hugePage)
    for (const entry of entriesOf(target, imageBase + BigInt(at))) {
      if (entry < first || entry + 8 > first + copy.length || moved.has(entry)) continue;
      moved.add(entry);
      const value = copy.readBigUInt64LE(entry - first);
      const frame = Number(value & 0x000f_ffff_ffff_f000n);
      if (frame >= first && frame < image.end) copy.writeBigUInt64LE(value + BigInt(distance), entry - first);
    }
}

const lastEnd = ({ memory }: Target) => Math.max(...memory.ranges.map(({ end }) => end));

function flipOne(random: Random, image: OverlayMemory, { start, end }: Place): void {
  const at = start + random.below(end - start);
  image.write(at, Buffer.from([(image.read(at, 1)[0] ?? 0) ^ (1 << random.below(8))]));
}

function flip(random: Random, bytes: Buffer, count: number): void {
  for (let done = 0; done < count; done++) {
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  }
}

function bytesAt(image: OverlayMemory, { physical }: Target, address: bigint, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let done = 0; done < length;) {
    const at = address + BigInt(done);
    const count = Math.min(length - done, pageSize - Number(at & 0xfffn));
    parts.push(image.read(physical(at), count));
    done += count;
  }
  return Buffer.concat(parts);
}

function word(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes;
}

const pageAt = (physical: number) => physical - (physical % pageSize);
