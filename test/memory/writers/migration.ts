import type { PhysicalMemory } from '../../../src/memory/memory.js';
import { be32, be64, isZero, Output } from './output.js';

/** A RAM block and its bytes: at these addresses of a memory, or zeros where that has a hole. */
export interface BlockSource {
  readonly name: string;
  readonly length: number;
  /** Bytes of it that are gone through; all of them when left out. */
  readonly sent?: number;
  /** The page at an offset of the block; undefined when it is not to be sent. */
  readonly page: (offset: number) => Buffer | undefined;
}

export interface MigrationOptions {
  readonly machine?: string;
  readonly capabilities?: readonly string[];
  /** Pages for each section between the first and the last. */
  readonly sectionPages?: number;
  /** Where the stream starts in the file, behind bytes that are not touched. */
  readonly start?: number;
}

const pageSize = 4096;
const ramSection = 3;
const flag = { zero: 2, sizes: 4, page: 8, end: 16, sameBlock: 32 };

/** A block that holds `memory` from physical address 0 on. */
export function blockOf(name: string, memory: PhysicalMemory): BlockSource {
  const length = memory.ranges.at(-1)?.end ?? 0;
  const holds = (address: number) =>
    memory.ranges.some(({ start, end }) => address >= start && address < end);
  return { name, length, page: (at) => (holds(at) ? memory.read(at, pageSize) : undefined) };
}

/** QEMU's stream (docs/devel/migration): a configuration, the RAM in several sections, and the start of what follows. */
export function writeMigration(
  path: string,
  blocks: readonly BlockSource[],
  options: MigrationOptions = {},
): void {
  using file = new Output(path);
  file.seek(options.start ?? 0);
  const mapped = options.capabilities?.includes('mapped-ram') ?? false;
  file.write(...streamStart(options));
  sectionStart(file, 1);
  const total = blocks.reduce((sum, { length }) => sum + length, 0);
  file.write(be64(total + flag.sizes));
  for (const block of blocks) {
    file.write(shortText(block.name), be64(block.length));
    if (mapped) writeMapped(file, block);
  }
  file.write(be64(flag.end));
  sectionEnd(file);
  if (!mapped) writePages(file, blocks, options.sectionPages ?? 1000);
  sectionStart(file, 3);
  file.write(be64(flag.end));
  sectionEnd(file);
  // The first device, and nothing of its state.
  file.write(Buffer.from([4]), be32(9), shortText('timer'), be32(0, 2));
}

function writePages(file: Output, blocks: readonly BlockSource[], sectionPages: number): void {
  let inSection = 0;
  for (const { name, length, sent = length, page } of blocks) {
    let first = true;
    for (let at = 0; at < sent; at += pageSize) {
      const bytes = page(at);
      if (!bytes) continue;
      if (inSection === 0) sectionStart(file, 2);
      const zero = isZero(bytes);
      file.write(be64(at + (zero ? flag.zero : flag.page) + (first ? 0 : flag.sameBlock)));
      if (first) file.write(shortText(name));
      file.write(zero ? Buffer.from([0]) : bytes);
      first = false;
      inSection = (inSection + 1) % sectionPages;
      if (inSection > 0) continue;
      file.write(be64(flag.end));
      sectionEnd(file);
      first = true;
    }
  }
  if (inSection === 0) return;
  file.write(be64(flag.end));
  sectionEnd(file);
}

/** The block's header, bitmap and pages, as docs/devel/migration/mapped-ram.rst has them. */
function writeMapped(file: Output, { length, page }: BlockSource): void {
  const pages = length / pageSize;
  const bitmap = Buffer.alloc(Math.ceil(pages / 64) * 8);
  const bitmapAt = file.at + 28;
  const pagesAt = Math.ceil((bitmapAt + bitmap.length) / 0x100000) * 0x100000;
  file.write(be32(1), be64(pageSize, bitmapAt, pagesAt));
  for (let at = 0; at < length; at += pageSize) {
    const bytes = page(at);
    if (!bytes || isZero(bytes)) continue;
    const number = at / pageSize;
    bitmap[number >>> 3]! |= 1 << (number & 7);
    file.seek(pagesAt + at);
    file.write(bytes);
  }
  file.seek(bitmapAt);
  file.write(bitmap);
  file.seek(pagesAt + length);
}

function streamStart({ machine = 'pc-i440fx-7.2', capabilities = [] }: MigrationOptions): Buffer[] {
  const parts = [Buffer.from('QEVM'), be32(3), Buffer.from([7]), be32(machine.length), Buffer.from(machine)];
  if (capabilities.length > 0)
    parts.push(
      ...[Buffer.from([5]), shortText('configuration/capabilities'), be32(1, capabilities.length)],
      ...capabilities.map(shortText),
    );
  return parts;
}

function sectionStart(file: Output, type: number): void {
  file.write(Buffer.from([type]), be32(ramSection));
  if (type === 1) file.write(shortText('ram'), be32(0, 4));
}

function sectionEnd(file: Output): void {
  file.write(Buffer.from([0x7e]), be32(ramSection));
}

function shortText(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')]);
}
