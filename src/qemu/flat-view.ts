/** A range of guest-physical addresses that RAM or ROM answers. */
export interface RamRange {
  readonly address: number;
  /** Bytes. */
  readonly length: number;
  /** Name of the memory region: `pc.ram`, or the id of a memory backend. */
  readonly region: string;
  /** Where in the region the range starts. */
  readonly offset: number;
}

/** Those are the bytes of a block of RAM; `romd` and `ramd` may be answered by a device. */
const kinds = /^(nv-)?(ram|rom)$/;
const line =
  /^ +([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ([^)]+)\): (.*?)(?: @([0-9a-f]{16}))?(?: KVM)?\r?$/;

/**
 * What the CPUs of a machine see as RAM, from the text of QEMU's `info mtree -f` (softmmu/memory.c, from 2.9 on):
 * the flat view that belongs to the address space "memory".
 */
export function parseFlatViews(text: string): RamRange[] {
  const view = text.split(/^FlatView #\d+\r?$/m).find((part) => /^ AS "memory",/m.test(part)) ?? '';
  return view.split('\n').flatMap((row) => {
    const [, start, end, kind, region, offset] = line.exec(row) ?? [];
    if (start === undefined || end === undefined || region === undefined || !kinds.test(kind ?? ''))
      return [];
    const address = Number.parseInt(start, 16);
    return [
      {
        address,
        length: Number.parseInt(end, 16) - address + 1,
        region,
        offset: Number.parseInt(offset ?? '0', 16),
      },
    ];
  });
}
