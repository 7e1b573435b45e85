import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildProfile } from '../../src/kernel/open.js';
import type { Profile } from '../../src/kernel/profile.js';
import type { PhysicalMemory } from '../../src/memory/memory.js';
import { openMemory } from '../../src/memory/open.js';
import { QmpClient } from '../../src/qemu/qmp.js';
import { cacheFolder } from '../lab/cache.js';
import type { LabGuest } from '../lab/lab.js';
import { suspendedGuest, TemporaryLab, type SuspendedGuest } from '../lab/suspended.js';
import { codeOf } from '../error-code.js';
import { BoardVm } from './board-vm.js';
import { described, differences } from './same-guest.js';
import { dump, migrate } from './save.js';
import { libvirtHeader, libvirtStorage } from './writers/libvirt.js';

/** What QEMU itself writes of a real guest, in each of its formats, against its plain ELF dump. */
const patience = { timeoutMs: 300_000 };
let guest: SuspendedGuest;
let truth: PhysicalMemory;
let profile: Profile;
let description: string;
let folder: string;
let path: string;

beforeAll(async () => {
  guest = await suspendedGuest();
  truth = await openMemory(guest.memory);
  profile = buildProfile(truth);
  description = described(truth, profile);
});
afterAll(() => truth[Symbol.dispose]());
beforeEach(() => {
  folder = mkdtempSync(join(cacheFolder(), 'formats-'));
  path = join(folder, 'image');
});
afterEach(() => rmSync(folder, { recursive: true }));

function expectSameGuest(memory: PhysicalMemory): void {
  expect(differences(truth, memory)).toBe(0);
  expect(described(memory, profile) === description).toBe(true);
  expect(described(memory) === description).toBe(true);
}

test('the plain ELF dump has the note that other tools need', () => {
  const head = Buffer.alloc(1 << 20);
  const fd = openSync(guest.memory, 'r');
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  expect(head.includes('VMCOREINFO\0')).toBe(true);
});

test('the migration stream', async () => {
  using memory = await openMemory(guest.saved);
  expect(memory.format).toBe('migration');
  expect(memory.ranges[0]).toEqual({ start: 0, end: guest.machine.memory * 2 ** 20 });
  expectSameGuest(memory);
});

test.each([
  ['raw', 'cat'],
  ['gzip', 'gzip -1'],
  ['zstd', 'zstd -q -1'],
  ['lzop', 'lzop -1'],
  ['xz', 'xz -0'],
] as const)('the migration stream in a save of libvirt, stored as %s', async (storage, program) => {
  writeFileSync(path, libvirtHeader({ storage: libvirtStorage[storage] }));
  execFileSync('/bin/sh', ['-c', `${program} < "$1" >> "$2"`, 'sh', guest.saved, path]);
  using memory = await openMemory(path);
  expect(memory.format).toBe('libvirt');
  expectSameGuest(memory);
});

describe('a copy of the guest, paused', () => {
  let lab: TemporaryLab;
  let copy: LabGuest;

  beforeAll(async () => {
    lab = await TemporaryLab.open();
    await lab.copy(guest, 'copy');
    copy = await lab.resume('copy', { paused: true });
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  test.each([
    ['an ELF dump with paging', 'elf', { paging: true }],
    ['a kdump-compressed dump, zlib', 'kdump', { format: 'kdump-zlib' }],
  ])('%s', async (_name, format, options) => {
    {
      using qmp = await QmpClient.connect(copy.qmp);
      await dump(qmp, path, options);
    }
    using memory = await openMemory(path);
    expect(memory.format).toBe(format);
    expectSameGuest(memory);
  });

  test('its memory in the process of QEMU, until it goes on', async () => {
    using memory = await openMemory(`qmp:${copy.qmp}`);
    expect(memory.format).toBe('qmp');
    expectSameGuest(memory);
  });

  test('a snapshot in its disk', async () => {
    {
      using qmp = await QmpClient.connect(copy.qmp);
      for (const name of ['first', 'second'])
        expect(
          await qmp.execute('human-monitor-command', { 'command-line': `savevm ${name}` }, patience),
        ).toBe('');
    }
    await expect(openMemory(copy.disk)).rejects.toMatchObject({
      code: 'MEMORY_FORMAT',
      message: expect.stringContaining('first, second') as string,
    });
    await expect(openMemory(copy.disk, { format: 'savevm:third' })).rejects.toMatchObject({
      code: 'MEMORY_FORMAT',
    });
    using memory = await openMemory(copy.disk, { format: 'savevm:second' });
    expect(memory.format).toBe('savevm');
    expectSameGuest(memory);
  });

  test('one that runs is refused', async () => {
    {
      using qmp = await QmpClient.connect(copy.qmp);
      await qmp.execute('cont');
    }
    await expect(openMemory(`qmp:${copy.qmp}`)).rejects.toMatchObject({ code: 'VM_NOT_PAUSED' });
    await expect(openMemory(`qmp:${copy.qmp}-gone`)).rejects.toMatchObject({ code: 'VM_UNREACHABLE' });
  });
});

describe.each([
  ['pc', 3584, 3072],
  ['q35', 3072, 2048],
] as const)('a guest on the board %s with %d MiB, split at %d', (machine, mebibytes, low) => {
  let vm: BoardVm;

  beforeAll(async () => {
    vm = await BoardVm.start(guest.folder, machine, mebibytes);
  });
  afterAll(() => vm[Symbol.asyncDispose]());

  test('is the same in its RAM file, live, in a dump and in a stream', async () => {
    {
      using qmp = await QmpClient.connect(vm.socket);
      await dump(qmp, path, { format: 'kdump-zlib' });
      await migrate(qmp, `${path}.stream`);
    }
    using dumped = await openMemory(path);
    const words = described(dumped);
    expect(words).toContain('Linux version');
    const top = { start: 2 ** 32, end: 2 ** 32 + (mebibytes - low) * 2 ** 20 };
    for (const open of [
      () => openMemory(vm.ram, { format: 'raw' }),
      () => openMemory(`${path}.stream`),
      () => openMemory(`qmp:${vm.socket}`),
    ]) {
      using memory = await open();
      expect(memory.ranges).toContainEqual(top);
      expect(differences(dumped, memory)).toBe(0);
      expect(described(memory) === words).toBe(true);
      expect(codeOf(() => memory.read(low * 2 ** 20, 8))).toBe('MEMORY_HOLE');
    }
  });
});
