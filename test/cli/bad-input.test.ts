import { execFileSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { expandName, findKallsyms, nextName } from '../../src/kernel/kallsyms-find.js';
import { alignedBanners } from '../../src/kernel/banners.js';
import { openMemory } from '../../src/memory/open.js';
import { suspendedGuest, type SuspendedGuest } from '../lab/suspended.js';
import { expectRefusal, Workbench, type ErrorDocument } from './support.js';

let guest: SuspendedGuest;
let bench: Workbench;

beforeAll(async () => {
  guest = await suspendedGuest();
});
beforeEach(() => {
  bench = new Workbench();
});
afterEach(() => bench[Symbol.dispose]());

const planOf = (disk: string, memory: string, ...command: string[]) =>
  bench.run('plan', '--disk', disk, '--memory', memory, '-o', bench.file('out.ouplan'), '--', ...command);

describe('plan', () => {
  test.each([
    ['a disk that is not there', () => planOf('/nonexistent.qcow2', guest.memory, 'true')],
    ['a memory image that is not there', () => planOf(guest.disk, '/nonexistent.core', 'true')],
    [
      'an output folder that is not there',
      () =>
        bench.run(
          'plan',
          '--disk',
          guest.disk,
          '--memory',
          guest.memory,
          '-o',
          bench.file('no/where.ouplan'),
          '--',
          'true',
        ),
    ],
  ])('%s', async (_what, run) => {
    expectRefusal(bench, await run(), 'FILE_MISSING', 1);
  });

  test('a truncated memory image', async () => {
    const memory = bench.file('memory.core');
    execFileSync('cp', ['--reflink=auto', guest.memory, memory]);
    truncateSync(memory, 100 << 20);
    expectRefusal(bench, await planOf(guest.disk, memory, 'true'), 'MEMORY_TRUNCATED', 4);
  });

  test('a truncated disk', async () => {
    const disk = bench.file('disk.qcow2');
    execFileSync('cp', ['--reflink=auto', guest.disk, disk]);
    truncateSync(disk, 8 << 20);
    const result = await planOf(disk, guest.memory, 'true');
    expectRefusal(bench, result, 'DISK_DAMAGED', 4);
  });

  test('a file that is no memory image', async () => {
    const memory = bench.file('memory');
    writeFileSync(memory, 'not a memory image');
    expectRefusal(bench, await planOf(guest.disk, memory, 'true'), 'MEMORY_FORMAT', 4);
  });

  test('a memory image of another guest', async () => {
    const disk = bench.file('other.raw');
    execFileSync('mke2fs', ['-q', '-t', 'ext4', disk, '64M'], { stdio: 'ignore' });
    expectRefusal(bench, await planOf(disk, guest.memory, 'true'), 'GUEST_MISMATCH', 4);
  });

  test('a kernel without BTF', async () => {
    const memory = bench.file('memory.core');
    execFileSync('cp', ['--reflink=auto', guest.memory, memory]);
    await renameSymbol(memory, '__start_BTF');
    expectRefusal(bench, await bench.run('profile', 'build', '--memory', memory), 'KERNEL_NO_BTF', 4);
  });

  test('a kernel whose type information was destroyed', async () => {
    const memory = bench.file('memory.core');
    writeFileSync(memory, withoutTypeInformation(readFileSync(guest.memory)));
    const result = await bench.run('profile', 'build', '--memory', memory);
    expectRefusal(bench, result, 'GUEST_INCONSISTENT', 4);
  });

  test('an image without a kernel', async () => {
    const memory = bench.file('memory.core');
    const bytes = readFileSync(guest.memory);
    // Everything behind the ELF headers.
    bytes.fill(0, 1 << 16);
    writeFileSync(memory, bytes);
    expectRefusal(bench, await bench.run('inspect', '--memory', memory), 'KERNEL_NOT_FOUND', 4);
  });

  test('a full disk', async () => {
    const small = bench.file('small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small]);
    try {
      const result = await bench.run(
        ...['plan', '--disk', guest.disk, '--memory', guest.memory, '-o', `${small}/out.ouplan`],
        ...['--', 'dd', 'if=/dev/urandom', 'of=/root/big', 'bs=1M', 'count=16'],
      );
      expectRefusal(bench, result, 'DISK_FULL', 1);
      expect(execFileSync('ls', ['-A', small], { encoding: 'utf8' })).toBe('');
    } finally {
      execFileSync('umount', [small]);
    }
  });

  test('an update that fails offline', async () => {
    const result = await planOf(guest.disk, guest.memory, 'apt-get', '-y', 'install', 'no-such-package');
    expectRefusal(bench, result, 'UPDATE_FAILED', 7);
    expect(result.stderr).toContain('Unable to locate package no-such-package');
  });

  test('no command', async () => {
    const result = await bench.run('plan', '--disk', guest.disk, '--memory', guest.memory);
    expectRefusal(bench, result, 'USAGE', 2);
  });
});

describe('a guest that is in the middle of package work', () => {
  /** A raw copy of the guest's disk with one file of it replaced. */
  function diskWith(path: string, content: (old: string) => string): string {
    const disk = bench.file('disk.raw');
    execFileSync('qemu-img', ['convert', '-O', 'raw', guest.disk, disk]);
    const table = JSON.parse(execFileSync('sfdisk', ['--json', disk], { encoding: 'utf8' })) as {
      partitiontable: { partitions: { start: number; size: number }[] };
    };
    const { start } = table.partitiontable.partitions[0]!;
    const part = `${disk}?offset=${start * 512}`;
    const debugfs = (...requests: string[]) => {
      writeFileSync(bench.file('requests'), requests.join('\n'));
      return execFileSync('debugfs', ['-w', '-f', bench.file('requests'), part], {
        encoding: 'utf8',
        stdio: 'pipe',
      });
    };
    const copy = bench.file('copy');
    execFileSync('debugfs', ['-R', `dump ${path} ${copy}`, part], { stdio: 'pipe' });
    writeFileSync(copy, content(readFileSync(copy, 'utf8')));
    debugfs(`rm ${path}`, `write ${copy} ${path}`);
    return disk;
  }

  test('a half-configured package', async () => {
    const disk = diskWith('/var/lib/dpkg/status', (status) =>
      status.replace('Status: install ok installed', 'Status: install ok half-configured'),
    );
    const result = await planOf(disk, guest.memory, 'true');
    expectRefusal(bench, result, 'GUEST_BUSY', 4);
    expect(result.stderr).toContain('half-configured');
  });
});

describe('show', () => {
  test.each([
    ['no file', undefined, 'FILE_MISSING', 1],
    ['an empty file', '', 'PLAN_DAMAGED', 6],
    ['text', 'plan', 'PLAN_DAMAGED', 6],
  ] as const)('%s', async (_what, content, code, status) => {
    const path = bench.file('x.ouplan');
    if (content !== undefined) writeFileSync(path, content);
    expectRefusal(bench, await bench.run('show', path), code, status);
  });

  test('a plan of a newer format', async () => {
    const path = bench.file('future.ouplan');
    cpSync('test/plan/fixtures/format-99.sqlite', path);
    expectRefusal(bench, await bench.run('show', path), 'PLAN_NEWER', 6);
  });

  test('with --json the error is the document', async () => {
    const { status, stdout } = await bench.run('show', '/nonexistent', '--json');
    expect(status).toBe(1);
    expect(JSON.parse(stdout) as ErrorDocument).toMatchObject({
      schemaVersion: '1.0',
      error: { code: 'FILE_MISSING' },
    });
  });
});

describe('the command line', () => {
  test.each([[['nonsense']], [[]], [['show']], [['plan', '--nonsense']], [['apply', 'x']]])(
    '%j is used wrongly',
    async (args) => {
      expectRefusal(bench, await bench.run(...args), 'USAGE', 2);
    },
  );

  test('--help shows usage and examples and is no error', async () => {
    const { status, stdout } = await bench.run('plan', '--help');
    expect(status).toBe(0);
    expect(stdout).toMatch(/Examples:[\s\S]*apt-get -y install nginx/);
  });
});

/** The same memory with the header of every BTF blob gone. */
function withoutTypeInformation(memory: Buffer): Buffer {
  const magic = Buffer.from([0x9f, 0xeb, 0x01, 0x00, 0x18, 0x00, 0x00, 0x00]);
  for (let at = memory.indexOf(magic); at >= 0; at = memory.indexOf(magic, at))
    memory.fill(0, at, at + magic.length);
  return memory;
}

/**
 * Gives one symbol of the kernel in an image another name, in place: a kernel that was built without it does
 * not have the name either.
 */
async function renameSymbol(path: string, symbol: string): Promise<void> {
  using memory = await openMemory(path);
  const [hit] = alignedBanners(memory, 2 ** 21);
  const start = hit!.physical - (hit!.physical % 4096);
  // KASLR may have put the kernel at the end of memory.
  const { end } = memory.ranges.find((range) => range.start <= start && start < range.end)!;
  const { names, tokens } = findKallsyms(memory, start, Math.min(end, start + (64 << 20)))!;
  let at = 0;
  // The type letter comes first.
  while (at < names.length && expandName(names, tokens, at).slice(1) !== symbol) at = nextName(names, at);
  // The entry with its neighbours stands once in the image.
  const entry = Buffer.from(names.subarray(at - 32, nextName(names, at)));
  const bytes = readFileSync(path);
  const found = bytes.indexOf(entry);
  expect(found).toBeGreaterThan(0);
  const last = found + entry.length - 1;
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.from([bytes[last]! ^ 1]), 0, 1, last);
  closeSync(file);
}
