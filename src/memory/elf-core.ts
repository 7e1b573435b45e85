import type { Extent, ExtentImage } from './extent-memory.js';
import { ET_CORE } from './marks.js';
import { truncated, unreadable } from './refusals.js';
import type { ByteSource } from './source.js';

const PT_LOAD = 1;
const PN_XNUM = 0xffff;
const headerSize = 64;
const programHeaderSize = 56;
const sectionHeaderSize = 64;
/** QEMU writes one PT_LOAD for each memory block, or for each mapped run with `paging=true`. */
const maxProgramHeaders = 1 << 20;
const physicalLimit = 2 ** 52;

/** ELF e_machine → the name that we use; from `elf.h`. */
const machines: ReadonlyMap<number, string> = new Map([
  [3, 'i386'],
  [40, 'arm'],
  [62, 'x86-64'],
  [183, 'aarch64'],
  [243, 'riscv'],
]);

/**
 * The extents of an ELF core as QEMU's `dump-guest-memory` writes it: each PT_LOAD holds the bytes of the
 * guest-physical range at `p_paddr`. Section `PT_LOAD` order, alignment and `p_vaddr` do not matter here.
 *
 * With `paging=true` the same physical page may be in several PT_LOADs; the first one is taken.
 *
 * @throws OuaError `MEMORY_FORMAT` when it is no core of a machine's memory, `MEMORY_TRUNCATED` when it ends early.
 */
export function readElfCore(file: ByteSource): ExtentImage {
  const ident = file.read(0, 16);
  if (ident[5] !== 1) throw unreadable(file.path, 'it is big-endian');
  if (ident[4] === 1) throw unreadable(file.path, 'it is a 32-bit ELF file');
  const header = file.read(0, headerSize);
  if (header.readUInt16LE(16) !== ET_CORE) throw unreadable(file.path, 'it is an ELF file, but no core dump');
  if (header.readUInt16LE(54) !== programHeaderSize)
    throw unreadable(file.path, 'its program headers have an unknown size');
  const count = programHeaderCount(file, header);
  const table = file.read(number(header, 32, file), count * programHeaderSize);
  const extents: Extent[] = [];
  let longest: Extent | undefined;
  for (let at = 0; at < table.length; at += programHeaderSize) {
    if (table.readUInt32LE(at) !== PT_LOAD) continue;
    const offset = number(table, at + 8, file);
    const address = number(table, at + 24, file);
    const length = number(table, at + 32, file);
    if (length === 0) continue;
    if (offset + length > file.size) throw truncated(file.path, offset + length, file.size);
    // With `paging=true` nearly all are mappings of pages that the kernel's map of all memory had before.
    if (longest && address >= longest.address && address + length <= longest.address + longest.length)
      continue;
    const extent = { offset, address, length };
    if (!longest || length > longest.length) longest = extent;
    extents.push(extent);
  }
  if (extents.length === 0) throw unreadable(file.path, 'it has no PT_LOAD');
  const machine = header.readUInt16LE(18);
  return {
    format: 'elf',
    architecture: machines.get(machine) ?? `ELF machine ${machine}`,
    extents: withoutOverlaps(extents),
  };
}

/** With PN_XNUM the real count is in section header 0 (`elf.5`). */
function programHeaderCount(file: ByteSource, header: Buffer): number {
  const count = header.readUInt16LE(56);
  if (count !== PN_XNUM) return count;
  const sections = number(header, 40, file);
  const real = file.read(sections, sectionHeaderSize).readUInt32LE(44);
  if (real > maxProgramHeaders) throw unreadable(file.path, `it claims ${real} program headers`);
  return real;
}

function withoutOverlaps(extents: Extent[]): Extent[] {
  extents.sort((a, b) => a.address - b.address || b.length - a.length);
  const kept: Extent[] = [];
  let end = 0;
  for (const extent of extents) {
    const skip = Math.max(0, end - extent.address);
    if (skip >= extent.length) continue;
    kept.push({
      address: extent.address + skip,
      offset: extent.offset + skip,
      length: extent.length - skip,
    });
    end = extent.address + extent.length;
  }
  return kept;
}

/** The 64-bit word at `at`, which no address and no size comes near. */
function number(bytes: Buffer, at: number, file: ByteSource): number {
  const value = bytes.readUInt32LE(at + 4) * 2 ** 32 + bytes.readUInt32LE(at);
  if (value >= physicalLimit)
    throw unreadable(file.path, `it states the impossible address 0x${value.toString(16)}`);
  return value;
}
