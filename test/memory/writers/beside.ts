import { writeFileSync } from 'node:fs';
import type { PhysicalMemory, PhysicalRange } from '../../../src/memory/memory.js';
import { le32, le64, Output, pagesOf } from './output.js';

/** The ranges of a memory, one behind the other, without a header: what lies beside a state file. */
export function writeConcatenated(path: string, memory: PhysicalMemory): void {
  using file = new Output(path);
  for (const [, bytes] of pagesOf(memory)) file.write(bytes);
}

export type FirecrackerRelease = '1.10' | '1.11' | '1.14';

/** A state file of Firecracker: bytes of no meaning here around the list of regions. */
export function writeFirecrackerState(
  path: string,
  ranges: readonly PhysicalRange[],
  release: FirecrackerRelease,
): void {
  let offset = 0;
  const regions = ranges.map(({ start, end }) => {
    const row = [le64(start, end - start)];
    if (release === '1.10') row.push(le64(offset));
    if (release === '1.14') row.push(le32(0), le64(1), Buffer.from([1]));
    offset += end - start;
    return Buffer.concat(row);
  });
  const magic = Buffer.alloc(8);
  magic.writeBigUInt64LE(0x0710_1984_8664_0000n);
  const around = Buffer.from('vm_info: 1 vcpu, 512 MiB; devices follow');
  writeFileSync(path, Buffer.concat([magic, around, le64(ranges.length), ...regions, around]));
}

/** A state file of VMware with the group `memory`, and perhaps the memory itself in it. */
export function writeVmwareState(
  path: string,
  ranges: readonly PhysicalRange[],
  inside?: PhysicalMemory,
): void {
  using file = new Output(path);
  const group = Buffer.alloc(80);
  group.write('memory', 'latin1');
  group.writeBigUInt64LE(BigInt(12 + 2 * 80), 64);
  const other = Buffer.alloc(80);
  other.write('cpu', 'latin1');
  file.write(Buffer.from('d2bed2be', 'hex'), le32(8, 2), other, group);
  file.write(tag('regionsCount', [], le32(ranges.length)));
  let offset = 0;
  ranges.forEach(({ start, end }, index) => {
    file.write(tag('regionPageNum', [index], le32(offset / 4096)));
    file.write(tag('regionPPN', [index], le32(start / 4096)));
    file.write(tag('regionSize', [index], le32((end - start) / 4096)));
    offset += end - start;
  });
  if (inside) {
    const head = Buffer.concat([
      Buffer.from([62 | (2 << 6), 6]),
      Buffer.from('Memory'),
      le32(0, 0),
      le64(offset, offset),
    ]);
    const padding = 4096 - ((file.at + head.length + 2) % 4096);
    file.write(head, Buffer.from([padding & 0xff, padding >>> 8]), Buffer.alloc(padding));
    for (const [, bytes] of pagesOf(inside)) file.write(bytes);
  }
  file.write(Buffer.alloc(2));
}

function tag(name: string, indices: readonly number[], value: Buffer): Buffer {
  const flags = value.length | (indices.length << 6);
  return Buffer.concat([Buffer.from([flags, name.length]), Buffer.from(name), le32(...indices), value]);
}
