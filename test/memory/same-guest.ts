import { openGuest } from '../../src/guest/open.js';
import type { Profile } from '../../src/kernel/profile.js';
import type { PhysicalMemory } from '../../src/memory/memory.js';

/** What a guest says of its kernel, processes, modules and mounts, as text that can be compared. */
export function described(memory: PhysicalMemory, profile?: Profile): string {
  const guest = openGuest(memory, { profile });
  return JSON.stringify(
    [guest.banner, guest.bootId(), guest.processes(), guest.modules(), guest.mounts()],
    (_name, value: unknown) => (typeof value === 'bigint' ? value.toString(16) : value),
  );
}

/** How many bytes of `sampled` differ from `truth`, at places all over what both of them have. */
export function differences(truth: PhysicalMemory, sampled: PhysicalMemory): number {
  let different = 0;
  let seed = 99;
  for (let sample = 0; sample < 4000; sample++) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    const range = truth.ranges[sample % truth.ranges.length]!;
    const address = range.start + Math.floor((seed / 2 ** 32) * (range.end - range.start - 64));
    if (!sampled.ranges.some(({ start, end }) => address >= start && address + 64 <= end)) continue;
    if (!truth.read(address, 64).equals(sampled.read(address, 64))) different++;
  }
  return different;
}
