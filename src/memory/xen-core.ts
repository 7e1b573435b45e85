import type { Extent, ExtentImage } from './extent-memory.js';
import { maxPieces } from './ranges.js';
import { unreadable } from './refusals.js';
import type { ByteSource } from './source.js';

const sectionHeaderSize = 64;
const maxSections = 64;
const maxNames = 4096;
const pageSize = 4096;
const frameLimit = 2 ** 40;
const entriesAtOnce = 8192;
const machines: ReadonlyMap<number, string> = new Map([
  [62, 'x86-64'],
  [183, 'aarch64'],
]);

interface Section {
  readonly offset: number;
  readonly size: number;
}

/** A core of Xen has sections in place of program headers. */
/**
 * What `xl dump-core` writes (xen/docs/misc/dump-core-format.txt): `.xen_pages` has the pages, and `.xen_pfn` (HVM and
 * PVH guests) the frame number of each. In a PV guest's, `.xen_p2m` has pairs of a guest's frame and a machine's;
 * pages are placed by the guest's.
 *
 * @throws OuaError `MEMORY_FORMAT`, `MEMORY_TRUNCATED`
 */
export function readXenCore(source: ByteSource): ExtentImage {
  const header = source.read(0, 64);
  const sections = readSections(source, header);
  const pages = sections.get('.xen_pages');
  const frames = sections.get('.xen_pfn');
  const pairs = sections.get('.xen_p2m');
  const table = frames ?? pairs;
  if (!pages || !table)
    throw unreadable(source.path, 'it has no sections .xen_pages and .xen_pfn or .xen_p2m');
  const width = frames ? 8 : 16;
  if (table.size % width !== 0 || pages.size % pageSize !== 0 || table.size / width !== pages.size / pageSize)
    throw unreadable(source.path, 'its pages and its frame numbers are not equally many');
  // Proves that the file holds both, before anything is made of their size.
  source.read(table.offset + table.size - 1, 1);
  source.read(pages.offset + pages.size - 1, 1);
  return {
    format: 'xen',
    architecture: machines.get(header.readUInt16LE(18)),
    extents: readExtents(source, table, width, pages.offset),
  };
}

function readExtents(source: ByteSource, table: Section, width: number, pagesAt: number): Extent[] {
  const extents: { address: number; length: number; offset: number }[] = [];
  const buffer = Buffer.alloc(Math.min(table.size, entriesAtOnce * width));
  for (let at = 0; at < table.size; at += buffer.length) {
    const entries = buffer.subarray(0, Math.min(buffer.length, table.size - at));
    source.readInto(table.offset + at, entries);
    for (let entry = 0; entry < entries.length; entry += width) {
      const frame = Number(entries.readBigUInt64LE(entry));
      // INVALID_P2M_ENTRY: a page that the guest had given back.
      if (frame >= frameLimit) continue;
      const address = frame * pageSize;
      const offset = pagesAt + ((at + entry) / width) * pageSize;
      const last = extents.at(-1);
      if (last && last.address + last.length === address && last.offset + last.length === offset)
        last.length += pageSize;
      else if (extents.push({ address, length: pageSize, offset }) > maxPieces)
        throw unreadable(source.path, `its memory lies in more than ${maxPieces} pieces`);
    }
  }
  if (extents.length === 0) throw unreadable(source.path, 'it holds no page');
  return extents;
}

function readSections(source: ByteSource, header: Buffer): Map<string, Section> {
  const count = header.readUInt16LE(60);
  const names = header.readUInt16LE(62);
  if (header.readUInt16LE(58) !== sectionHeaderSize || count > maxSections || names >= count)
    throw unreadable(source.path, 'its section headers are damaged');
  const table = source.read(bounded(source, header.readBigUInt64LE(40)), count * sectionHeaderSize);
  const section = (index: number): Section => ({
    offset: bounded(source, table.readBigUInt64LE(index * sectionHeaderSize + 24)),
    size: bounded(source, table.readBigUInt64LE(index * sectionHeaderSize + 32)),
  });
  const { offset, size } = section(names);
  const text = source.read(offset, Math.min(size, maxNames)).toString('latin1');
  const name = (at: number) => text.slice(at, text.indexOf('\0', at));
  return new Map(
    Array.from({ length: count }, (_, index) => [
      name(table.readUInt32LE(index * sectionHeaderSize)),
      section(index),
    ]),
  );
}

/** An offset or size as a number; one beyond the file's end is refused when it is read. */
function bounded(source: ByteSource, value: bigint): number {
  if (value > Number.MAX_SAFE_INTEGER / 4)
    throw unreadable(source.path, `it states the impossible offset 0x${value.toString(16)}`);
  return Number(value);
}
