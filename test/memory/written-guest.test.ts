import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildProfile } from '../../src/kernel/open.js';
import type { Profile } from '../../src/kernel/profile.js';
import type { PhysicalMemory } from '../../src/memory/memory.js';
import { openMemory } from '../../src/memory/open.js';
import { cacheFolder } from '../lab/cache.js';
import { suspendedGuest } from '../lab/suspended.js';
import { described, differences } from './same-guest.js';
import { writeConcatenated, writeFirecrackerState, writeVmwareState } from './writers/beside.js';
import { pageEncoders, writeKdump, type PageEncoder } from './writers/kdump.js';
import { blockOf, writeMigration } from './writers/migration.js';
import { isZero, pagesOf } from './writers/output.js';
import { writeAvml, writeLime, writeXenCore } from './writers/ranges.js';

/** A real guest's memory, written in the formats that no producer here makes, by their published layouts. */
let truth: PhysicalMemory;
let profile: Profile;
let description: string;
let folder: string;
let path: string;

beforeAll(async () => {
  truth = await openMemory((await suspendedGuest()).memory);
  profile = buildProfile(truth);
  description = described(truth, profile);
});
afterAll(() => truth[Symbol.dispose]());
beforeEach(() => {
  folder = mkdtempSync(join(cacheFolder(), 'formats-'));
  path = join(folder, 'image');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Every 40th page that is not of zeros, compressed by the zstd program in one run; the others are stored. */
function zstdEncoder(): PageEncoder {
  const pages = join(folder, 'pages');
  mkdirSync(pages);
  const names = new Map<string, string>();
  let count = 0;
  for (const [page, bytes] of pagesOf(truth)) {
    if (isZero(bytes) || ++count % 40 > 0) continue;
    names.set(bytes.toString('latin1'), `${page}.zst`);
    writeFileSync(join(pages, String(page)), bytes);
  }
  execFileSync('zstd', ['-q', '-1', '--rm', '-r', pages]);
  return (bytes) => {
    const name = names.get(bytes.toString('latin1'));
    return name === undefined ? [0, bytes] : [0x20, readFileSync(join(pages, name))];
  };
}

/** Every 16th page by an encoder, the others as they are: the encoders of the tests are slow. */
function some(encode: PageEncoder): PageEncoder {
  let count = 0;
  return (bytes) => (count++ % 16 === 0 ? encode(bytes) : [0, bytes]);
}

const kdump = (encode: PageEncoder) => () => writeKdump(path, truth, { encode });

test.each([
  ['kdump, lzo', kdump(some(pageEncoders.lzo)), undefined],
  ['kdump, snappy', kdump(some(pageEncoders.snappy)), undefined],
  ['kdump, zstd', () => kdump(zstdEncoder())(), undefined],
  [
    'kdump without pages of zeros, flattened',
    () =>
      writeKdump(path, truth, { flattened: true, dumpLevel: 1, excluded: (_page, bytes) => isZero(bytes) }),
    undefined,
  ],
  [
    'migration, mapped-ram',
    () => writeMigration(path, [blockOf('pc.ram', truth)], { capabilities: ['mapped-ram'] }),
    undefined,
  ],
  ['lime', () => writeLime(path, truth), undefined],
  ['avml', () => writeAvml(path, truth, 65536, 16), undefined],
  ['xen', () => writeXenCore(path, truth, '.xen_pfn'), undefined],
  ['vmware', () => writeVmwareState(path, truth.ranges, truth), undefined],
  [
    'firecracker',
    () => {
      writeConcatenated(path, truth);
      writeFirecrackerState(`${path}.state`, truth.ranges, '1.11');
    },
    () => `firecracker:${path}.state`,
  ],
] as const)('%s: the same kernel, processes, modules and mounts', async (_name, write, format) => {
  write();
  using memory = await openMemory(path, { format: format?.() });
  expect(differences(truth, memory)).toBe(0);
  expect(described(memory, profile) === description).toBe(true);
  // Without a profile, too: that reads tens of megabytes in one go.
  expect(described(memory) === description).toBe(true);
});
