import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { OuaError } from '../../src/base/errors.js';
import type { PhysicalMemory } from '../../src/memory/memory.js';
import { openMemory } from '../../src/memory/open.js';
import { codeOf } from '../error-code.js';
import { writeElfCore } from './elf-writer.js';
import { SampleMemory, sampleMemory, samplePages } from './samples.js';
import { writeConcatenated, writeFirecrackerState, writeVmwareState } from './writers/beside.js';
import { pageEncoders, writeKdump } from './writers/kdump.js';
import { libvirtHeader, libvirtStorage } from './writers/libvirt.js';
import { blockOf, writeMigration } from './writers/migration.js';
import { writeAvml, writeLime, writeXenCore } from './writers/ranges.js';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ouassister-formats-'));
  path = join(folder, 'image');
});

afterEach(() => rmSync(folder, { recursive: true }));

const refusals = ['MEMORY_FORMAT', 'MEMORY_TRUNCATED', 'MEMORY_HOLE'];

interface Case {
  readonly name: string;
  /** What the image is expected to be recognised as. */
  readonly detected: string;
  readonly write: (path: string, memory: SampleMemory) => void;
  /** What has to be named, when it is not detected. */
  readonly format?: (path: string) => string;
  /** Whether the format can say that there is a hole between the two ranges. */
  readonly holes?: boolean;
  /** Codes that damage may lead to, when they are not the usual ones. */
  readonly refusals?: readonly string[];
}

/** A stream of one RAM block, and how a program makes libvirt's file of it. */
function libvirt(storage: keyof typeof libvirtStorage, pack: (stream: Buffer) => Buffer): Case {
  return {
    name: `libvirt, ${storage}`,
    detected: 'libvirt',
    write: (to, memory) => {
      writeMigration(to, [blockOf('pc.ram', memory)]);
      const stream = pack(readFileSync(to));
      writeFileSync(to, Buffer.concat([libvirtHeader({ storage: libvirtStorage[storage] }), stream]));
    },
    holes: true,
  };
}

const filter =
  (program: string, ...args: string[]) =>
  (input: Buffer) =>
    execFileSync(program, args, { input, maxBuffer: 1 << 26 });

const cases: readonly Case[] = [
  {
    name: 'elf',
    detected: 'elf',
    write: (to, { parts }) =>
      writeFileSync(to, writeElfCore(parts.map(({ start, bytes }) => ({ address: start, bytes })))),
    holes: true,
  },
  ...Object.entries(pageEncoders).flatMap(([name, encode]): Case[] => [
    {
      name: `kdump, ${name}`,
      detected: 'kdump',
      write: (to, memory) => writeKdump(to, memory, { encode }),
      holes: true,
    },
    {
      name: `kdump, ${name}, flattened`,
      detected: 'kdump',
      write: (to, memory) => writeKdump(to, memory, { encode, flattened: true }),
      holes: true,
    },
  ]),
  {
    name: 'kdump without its pages of zeros',
    detected: 'kdump',
    write: (to, memory) =>
      writeKdump(to, memory, { dumpLevel: 1, excluded: (_page, bytes) => bytes.every((byte) => byte === 0) }),
    holes: true,
  },
  {
    name: 'migration',
    detected: 'migration',
    write: (to, memory) => writeMigration(to, [blockOf('pc.ram', memory)], { sectionPages: 17 }),
    holes: true,
  },
  {
    name: 'migration of several blocks',
    detected: 'migration',
    write: (to, memory) =>
      writeMigration(to, [
        { name: '0000:00:02.0/vga.vram', length: 8192, page: () => Buffer.alloc(4096, 9) },
        blockOf('/objects/mem', memory),
        { name: 'pc.bios', length: 4096, page: () => Buffer.alloc(4096, 8) },
      ]),
    holes: true,
  },
  {
    name: 'migration, mapped-ram',
    detected: 'migration',
    write: (to, memory) => writeMigration(to, [blockOf('pc.ram', memory)], { capabilities: ['mapped-ram'] }),
  },
  libvirt('raw', (stream) => stream),
  libvirt('gzip', (stream) => gzipSync(stream)),
  libvirt('zstd', filter('zstd', '-q', '-c')),
  libvirt('xz', filter('xz', '-0', '-c')),
  libvirt('bzip2', filter('bzip2', '-c')),
  libvirt('lzop', filter('lzop', '-c')),
  {
    name: 'libvirt, sparse',
    detected: 'libvirt',
    write: (to, memory) => {
      const head = libvirtHeader({ storage: libvirtStorage.sparse });
      writeMigration(to, [blockOf('pc.ram', memory)], { capabilities: ['mapped-ram'], start: head.length });
      const file = readFileSync(to);
      head.copy(file);
      writeFileSync(to, file);
    },
  },
  { name: 'lime', detected: 'lime', write: writeLime, holes: true },
  { name: 'avml', detected: 'avml', write: (to, memory) => writeAvml(to, memory), holes: true },
  {
    name: 'avml in odd chunks',
    detected: 'avml',
    write: (to, memory) => writeAvml(to, memory, 5000),
    holes: true,
  },
  { name: 'xen', detected: 'xen', write: (to, memory) => writeXenCore(to, memory, '.xen_pfn'), holes: true },
  {
    name: 'xen, PV',
    detected: 'xen',
    write: (to, memory) => writeXenCore(to, memory, '.xen_p2m'),
    holes: true,
  },
  {
    name: 'vmware, one file',
    detected: 'vmware',
    write: (to, memory) => writeVmwareState(to, memory.ranges, memory),
    holes: true,
    // Without the tag of the memory inside, it is looked for beside.
    refusals: [...refusals, 'FILE_MISSING'],
  },
  ...(['1.10', '1.11', '1.14'] as const).map((release): Case => ({
    name: `firecracker ${release}`,
    detected: 'firecracker',
    write: (to, memory) => {
      writeConcatenated(to, memory);
      writeFirecrackerState(`${to}.state`, memory.ranges, release);
    },
    format: (to) => `firecracker:${to}.state`,
    holes: true,
  })),
];

const open = (one: Case, format?: string) => openMemory(path, { format: format ?? one.format?.(path) });

/** All of what a memory holds; the code of the error when it is refused. */
async function readAll(one: Case): Promise<Buffer | string> {
  try {
    using memory = await open(one);
    return Buffer.concat(
      memory.ranges.map(({ start, end }) => memory.read(start, Math.min(end - start, 1 << 20))),
    );
  } catch (error) {
    if (error instanceof OuaError) return error.code;
    throw error;
  }
}

describe.each(cases)('$name', (one) => {
  test('has the bytes that were written, at any place and length', async () => {
    const truth = sampleMemory();
    one.write(path, truth);
    using memory = await open(one);
    expect(memory.format).toBe(one.detected);
    const holes = one.holes ?? false;
    expect(memory.ranges).toEqual(holes ? truth.ranges : [{ start: 0, end: truth.ranges.at(-1)!.end }]);
    for (const { start, bytes } of truth.parts)
      fc.assert(
        fc.property(fc.nat(bytes.length - 1), fc.nat(20_000), (from, length) => {
          const end = Math.min(bytes.length, from + length);
          const wanted = bytes.subarray(from, end);
          expect(memory.read(start + from, end - from).equals(wanted)).toBe(true);
          const target = Buffer.alloc(end - from);
          memory.readInto(start + from, target);
          expect(target.equals(wanted)).toBe(true);
        }),
        { numRuns: 60 },
      );
    const gap = truth.ranges[0]!.end;
    if (holes)
      for (const [address, length] of [
        [gap, 1],
        [gap - 1, 2],
        [truth.ranges[1]!.start - 1, 2],
        [truth.ranges[1]!.end, 8],
      ] as const)
        expect(codeOf(() => memory.read(address, length))).toBe('MEMORY_HOLE');
    else expect(memory.read(gap, 4096).every((byte) => byte === 0)).toBe(true);
  });

  test('is never wrong when it is cut short', async () => {
    const truth = sampleMemory(2);
    one.write(path, truth);
    const whole = readFileSync(path);
    const all = await readAll(one);
    expect(all).toBeInstanceOf(Buffer);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), async (length) => {
        writeFileSync(path, whole.subarray(0, length));
        const found = await readAll(one);
        if (typeof found !== 'string') expect(found.equals(all as Buffer)).toBe(true);
        else expect(['MEMORY_TRUNCATED', 'MEMORY_FORMAT']).toContain(found);
      }),
      { numRuns: one.name.startsWith('libvirt') ? 10 : 40 },
    );
  });

  test('is read or refused when it is damaged', async () => {
    one.write(path, sampleMemory(3));
    const whole = readFileSync(path);
    const at = fc.oneof(fc.nat(Math.min(whole.length - 1, 700)), fc.nat(whole.length - 1));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(at, fc.nat(255)), { minLength: 1, maxLength: 6 }),
        async (changes) => {
          const damaged = Buffer.from(whole);
          for (const [place, value] of changes) damaged[place] = value;
          writeFileSync(path, damaged);
          const found = await readAll(one);
          if (typeof found === 'string') expect(one.refusals ?? refusals).toContain(found);
        },
      ),
      { numRuns: one.name.startsWith('libvirt') ? 15 : 80 },
    );
  });
});

describe('what a format leaves out', () => {
  const excluded = (page: number) => page % 3 === 1;

  test('kdump: filtered pages are holes, and not zeros', async () => {
    const truth = sampleMemory();
    writeKdump(path, truth, { dumpLevel: 31, excluded });
    using memory = await openMemory(path);
    expect(codeOf(() => memory.read(4096, 8))).toBe('MEMORY_HOLE');
    expect(codeOf(() => memory.read(4090, 16))).toBe('MEMORY_HOLE');
    expect(memory.read(8192, 8192).equals(truth.read(8192, 8192))).toBe(true);
    expect(memory.ranges.length).toBeGreaterThan(20);
  });

  test('kdump: one that was not finished is refused', async () => {
    writeKdump(path, sampleMemory(), { status: 9 });
    await expect(openMemory(path)).rejects.toMatchObject({ code: 'MEMORY_FORMAT' });
  });

  test('migration: a page that is sent again counts as it was sent last', async () => {
    const truth = sampleMemory();
    const late = samplePages(1, 77);
    writeMigration(path, [{ name: 'pc.ram', length: 45 * 4096, page: (at) => truth.read(at, 4096) }]);
    const stream = readFileSync(path);
    // Before the last section: one more with the page at 0x2000.
    const last = stream.lastIndexOf(Buffer.from([3, 0, 0, 0, 3]));
    const record = Buffer.alloc(8);
    record.writeBigUInt64BE(0x2000n + 8n);
    const more = [
      Buffer.from([2, 0, 0, 0, 3]),
      record,
      Buffer.from('\x06pc.ram'),
      late,
      Buffer.from([0, 0, 0, 0, 0, 0, 0, 16, 0x7e, 0, 0, 0, 3]),
    ];
    writeFileSync(path, Buffer.concat([stream.subarray(0, last), ...more, stream.subarray(last)]));
    using memory = await openMemory(path);
    expect(memory.read(0x2000, 4096).equals(late)).toBe(true);
    expect(memory.read(0x1000, 4096).equals(truth.read(0x1000, 4096))).toBe(true);
  });

  test.each([
    ['another device before the RAM', Buffer.from([4, 0, 0, 0, 1]), /before the end of the RAM/],
    ['no RAM at all', Buffer.from([0]), /ends before its RAM/],
    ['an unknown section', Buffer.from([99]), /unknown section 99/],
  ])('migration: %s is refused', async (_what, section, words) => {
    const head = Buffer.concat([Buffer.from('QEVM\0\0\0\x03\x07\0\0\0\x02pc'), section]);
    writeFileSync(path, Buffer.concat([head, Buffer.from('\x05timer'), Buffer.alloc(40)]));
    await expect(openMemory(path)).rejects.toMatchObject({
      code: 'MEMORY_FORMAT',
      message: expect.stringMatching(words) as string,
    });
  });

  test('migration: a block of any claimed size costs only what the stream sends of it', async () => {
    writeMigration(path, [{ name: 'pc.ram', length: 2 ** 50, sent: 4096, page: () => samplePages(1, 1) }]);
    using memory = await openMemory(path);
    expect(memory.ranges).toEqual([{ start: 0, end: 4096 }]);
  });

  test('which block is the RAM must be clear', async () => {
    const block = (name: string) => ({ name, length: 8192, page: () => samplePages(1, 5) });
    writeMigration(path, [block('one'), block('two')]);
    await expect(openMemory(path)).rejects.toMatchObject({
      code: 'MEMORY_FORMAT',
      message: expect.stringContaining('one, two') as string,
    });
  });

  test('the memory of several NUMA nodes is one', async () => {
    const [first, second] = [samplePages(4, 1), samplePages(4, 2)];
    const block = (name: string, bytes: Buffer) => ({
      name,
      length: bytes.length,
      page: (at: number) => bytes.subarray(at, at + 4096),
    });
    writeMigration(path, [block('/objects/ram-node1', second), block('/objects/ram-node0', first)]);
    using memory = await openMemory(path);
    expect(memory.read(0, 32768).equals(Buffer.concat([first, second]))).toBe(true);
  });

  test('libvirt: a save that was not finished, and an unknown compression', async () => {
    writeFileSync(path, libvirtHeader({ storage: 0, magic: 'LibvirtQemudPart' }));
    await expect(openMemory(path)).rejects.toMatchObject({ code: 'MEMORY_TRUNCATED' });
    writeFileSync(path, libvirtHeader({ storage: 9 }));
    await expect(openMemory(path)).rejects.toMatchObject({ code: 'MEMORY_FORMAT' });
  });

  test('libvirt: a header of the other byte order', async () => {
    writeMigration(path, [blockOf('pc.ram', sampleMemory())]);
    const stream = readFileSync(path);
    writeFileSync(path, libvirtHeader({ storage: 0, bigEndian: true }));
    appendFileSync(path, stream);
    using memory = await openMemory(path);
    expect(memory.format).toBe('libvirt');
  });

  test('firecracker-diff: what was not written is a hole', async () => {
    const pages = samplePages(16, 1);
    const truth = new SampleMemory([{ start: 0, bytes: pages }]);
    writeFirecrackerState(`${path}.state`, truth.ranges, '1.11');
    writeFileSync(path, '');
    execFileSync('truncate', ['-s', String(pages.length), path]);
    const written = pages.subarray(4096 * 4, 4096 * 8);
    execFileSync('dd', [`of=${path}`, 'bs=4096', 'seek=4', 'conv=notrunc', 'status=none'], {
      input: written,
    });
    using memory = await openMemory(path, { format: `firecracker-diff:${path}.state` });
    expect(memory.ranges).toEqual([{ start: 4096 * 4, end: 4096 * 8 }]);
    expect(memory.read(4096 * 4, written.length).equals(written)).toBe(true);
    expect(codeOf(() => memory.read(0, 8))).toBe('MEMORY_HOLE');
  });

  test('firecracker: the state file alone, none, and one of another snapshot', async () => {
    const truth = sampleMemory();
    writeConcatenated(path, truth);
    const state = `${path}.state`;
    writeFirecrackerState(state, truth.ranges, '1.10');
    await expect(openMemory(state)).rejects.toMatchObject({
      code: 'MEMORY_FORMAT',
      hint: expect.stringContaining(`firecracker:${state}`) as string,
    });
    await expect(openMemory(path, { format: 'firecracker' })).rejects.toMatchObject({ code: 'USAGE' });
    writeFirecrackerState(state, [{ start: 0, end: 4096 }], '1.10');
    await expect(openMemory(path, { format: `firecracker:${state}` })).rejects.toMatchObject({
      code: 'MEMORY_FORMAT',
    });
  });

  test.each(['.vmss', '.vmsn'])('vmware: memory beside its %s, by either name', async (ending) => {
    const truth = sampleMemory();
    const [memoryFile, stateFile] = [join(folder, 'vm.vmem'), join(folder, `vm${ending}`)];
    writeConcatenated(memoryFile, truth);
    writeVmwareState(stateFile, truth.ranges);
    for (const given of [memoryFile, stateFile]) {
      using memory: PhysicalMemory = await openMemory(given);
      expect(memory.ranges).toEqual(truth.ranges);
      expect(memory.read(0x100000, 8192).equals(truth.read(0x100000, 8192))).toBe(true);
    }
    rmSync(memoryFile);
    await expect(openMemory(stateFile)).rejects.toMatchObject({ code: 'FILE_MISSING' });
  });

  test('vmware: a .vmem alone of up to 3 GiB lies in one piece', async () => {
    const memoryFile = join(folder, 'vm.vmem');
    writeFileSync(memoryFile, samplePages(8, 4));
    using memory = await openMemory(memoryFile);
    expect(memory.ranges).toEqual([{ start: 0, end: 8 * 4096 }]);
  });

  test('ranges that overlap are refused', async () => {
    const part = { start: 4096, bytes: samplePages(2, 1) };
    const overlapping = new SampleMemory([part, { start: 8192, bytes: samplePages(2, 2) }]);
    for (const write of [
      writeLime,
      writeAvml,
      (to: string, memory: SampleMemory) => writeXenCore(to, memory, '.xen_pfn'),
    ]) {
      write(path, overlapping);
      await expect(openMemory(path)).rejects.toMatchObject({ code: 'MEMORY_FORMAT' });
    }
  });

  test('a format that needs no mark is not guessed, and a wrong one is refused', async () => {
    writeLime(path, sampleMemory());
    for (const format of ['elf', 'kdump', 'migration', 'libvirt', 'avml', 'xen'])
      await expect(openMemory(path, { format })).rejects.toMatchObject({ code: 'MEMORY_FORMAT' });
    await expect(openMemory(path, { format: 'elf:x' })).rejects.toMatchObject({ code: 'USAGE' });
  });
});
