import fc from 'fast-check';
import { packMachine, type Machine } from '../../src/emulate/machine.js';
import { openGuest } from '../../src/guest/open.js';
import type { MemInfo } from '../../src/guest/guest.js';
import { openMemory } from '../../src/memory/open.js';
import { suspendedGuest } from '../lab/suspended.js';
import { fixtureGuest } from '../shadow/proc/fixture-guest.js';

const withCode = expect.objectContaining({ code: 'GUEST_INCONSISTENT' }) as unknown as Error;
const memInfo = (kib: Readonly<Record<string, number>>): MemInfo => Object.entries(kib);
const machine = (overrides: Partial<Machine> = {}): Machine => ({ ...fixtureGuest(), ...overrides });
const words = (bytes: Buffer, count: number) =>
  Array.from({ length: count }, (_, index) => Number(bytes.readBigUInt64LE(index * 8)));
const halves = (bytes: Buffer, count: number) =>
  Array.from({ length: count }, (_, index) => bytes.readUInt32LE(index * 4));
const parts = (guest: Machine) => {
  const { sysinfo, cpuIds, cpus } = packMachine(guest);
  const bytes = Buffer.from(sysinfo);
  return { native: bytes.subarray(0, 112), compat: bytes.subarray(112), cpuIds, cpus: Buffer.from(cpus) };
};

const small = memInfo({
  MemTotal: 500_000,
  MemFree: 400_000,
  Shmem: 30,
  Buffers: 20,
  SwapTotal: 10,
  SwapFree: 5,
});

test('struct sysinfo, native and of 32-bit programs', () => {
  const guest = machine({
    memInfo: () => small,
    uptime: () => ({ up: 99.01, idle: 0 }),
    loads: () => [65_536, 32_768, 32],
  });
  const { native, compat } = parts(guest);
  const sizes = [500_000, 400_000, 30, 20, 10, 5].map((kib) => kib * 1024);
  const threads = guest.processes().reduce((sum, process) => sum + process.threads, 0);
  expect(words(native, 10)).toEqual([100, 65_536, 32_768, 32, ...sizes]);
  expect(native.readUInt16LE(80)).toBe(threads);
  expect(words(native.subarray(88), 2)).toEqual([0, 0]);
  expect(native.readUInt32LE(104)).toBe(1);
  expect(halves(compat, 10)).toEqual([100, 65_536, 32_768, 32, ...sizes]);
  expect(compat.readUInt16LE(40)).toBe(threads);
  expect(halves(compat.subarray(44), 5)).toEqual([0, 0, 1, 0, 0]);
});

test('a 32-bit program sees much memory, or much swap, in pages', () => {
  const kib = fc.nat(2 ** 36);
  fc.assert(
    fc.property(kib, kib, (MemTotal, SwapTotal) => {
      const { compat, native } = parts(machine({ memInfo: () => memInfo({ MemTotal, SwapTotal }) }));
      const unit = compat.readUInt32LE(52);
      expect(unit).toBe(Math.max(MemTotal, SwapTotal) * 1024 >= 2 ** 32 ? 4096 : 1);
      expect(compat.readUInt32LE(16)).toBe(Math.floor((MemTotal * 1024) / unit) % 2 ** 32);
      expect(words(native, 5)[4]).toBe(MemTotal * 1024);
    }),
  );
});

test('CPUs are bits in whole words', () => {
  const { cpuIds, cpus } = parts(machine({ cpuNumbers: () => ({ online: [0, 9, 64], ids: 65 }) }));
  expect(cpuIds).toBe(65);
  expect(cpus.toString('hex')).toBe(`0102${'00'.repeat(6)}01${'00'.repeat(7)}`);
  for (const [online, ids] of [
    [[], 1],
    [[1], 1],
    [[0], 0],
    [[0], 9000],
  ] as const)
    expect(() => packMachine(machine({ cpuNumbers: () => ({ online, ids }) }))).toThrow(withCode);
});

test("a real guest's is what its /proc says", async () => {
  const lab = await suspendedGuest();
  using guest = openGuest(await openMemory(lab.memory));
  const { native, cpuIds, cpus } = parts(guest);
  const [uptime = 0, one, five, fifteen, total = 0, free, shared, buffers, swap] = words(native, 10);
  const inside = (name: string, text: string) =>
    Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1]);
  const meminfo = await lab.inside('proc-meminfo');
  expect(total / 1024).toBe(inside('MemTotal', meminfo));
  expect(swap).toBe(inside('SwapTotal', meminfo) * 1024);
  const rendered = new Map(guest.memInfo());
  expect([free, shared, buffers]).toEqual(
    ['MemFree', 'Shmem', 'Buffers'].map((name) => rendered.get(name)! * 1024),
  );
  expect(uptime).toBe(Math.ceil(guest.uptime().up));
  const shown = (load = 0) => Math.floor((load / 65_536 + 0.005) * 100 + 1e-9) / 100;
  expect([one, five, fifteen].map(shown)).toEqual(guest.loadAverage());
  expect([cpuIds, cpus.toString('hex')]).toEqual([1, '0100000000000000']);
});
