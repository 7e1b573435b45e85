import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { OuaError } from '../../../src/base/errors.js';
import { profileOfFile, profileOfParts } from '../../../src/kernel/file/source.js';
import { unpackKernel } from '../../../src/kernel/file/vmlinuz.js';
import { buildProfile } from '../../../src/kernel/open.js';
import { openMemory } from '../../../src/memory/open.js';
import { codeOf } from '../../error-code.js';
import { zooGuest } from '../../lab/zoo/boot.js';
import { buildSmallKernel } from './small-kernel.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ouassister-kernel-file-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

describe.each(['bullseye-cloud', 'trixie-cloud', 'sid-cloud', 'sid-arm64'])('the kernel of %s', (name) => {
  test('has the same profile in its file as in the memory of a guest that runs it', async () => {
    const guest = await zooGuest(name);
    using memory = await openMemory(guest.memory);
    expect(profileOfFile(guest.vmlinuz)).toEqual(buildProfile(memory));
  });
});

describe('a vmlinux with debug information only', () => {
  let vmlinux: string;

  beforeAll(() => {
    vmlinux = buildSmallKernel(folder);
  });

  test('gets its structures from DWARF and its symbols from its symbol table', () => {
    const profile = profileOfFile(vmlinux);
    expect(profile.release).toBe('6.9.9-small');
    expect(profile.symbols['_text']).toBe('0xffffffff81000000');
    expect(profile.structs['task_struct']).toMatchObject({
      members: { pid: [8, 4], comm: [16, 16], utime: [40, 8] },
    });
    expect(profile.enums).toEqual({ NR_FREE_PAGES: 0, NR_MLOCK: 3 });
    expect(profile.buildId).toBeNull();
  });

  test('gives the same from its parts', () => {
    const [systemMap, btf, banner] = ['System.map', 'vmlinux.btf', 'version'].map((name) =>
      join(folder, name),
    ) as [string, string, string];
    writeFileSync(systemMap, execFileSync('nm', [vmlinux]));
    execFileSync('pahole', [`--btf_encode_detached=${btf}`, vmlinux]);
    const whole = profileOfFile(vmlinux);
    writeFileSync(banner, whole.banner);
    const parts = { systemMap, btf, banner, architecture: 'x86-64' } as const;
    expect(profileOfParts(parts)).toEqual(whole);
    const buildId = '0123456789abcdef';
    expect(profileOfParts({ ...parts, buildId }).buildId).toBe(buildId);
    expect(codeOf(() => profileOfParts({ ...parts, btf: join(folder, 'no-such') }))).toBe('FILE_MISSING');
    writeFileSync(banner, 'Debian');
    expect(codeOf(() => profileOfParts(parts))).toBe('KERNEL_FILE');
  });

  test.each([
    ['gzip', ['-c']],
    ['xz', ['-c', '--check=crc32']],
    ['zstd', ['-cq']],
    ['lz4', ['-clq']],
    ['bzip2', ['-c']],
  ])('is found in a bzImage packed with %s', (program, args) => {
    const packed = execFileSync(program, args, { input: readFileSync(vmlinux), maxBuffer: 1 << 28 });
    const sizeBehind = program === 'gzip' ? Buffer.alloc(0) : Buffer.from('00100000', 'hex');
    const image = bzImage(Buffer.concat([packed, sizeBehind]));
    const unpacked = unpackKernel('x', image);
    expect(unpacked.kind).toBe('elf');
    expect(unpacked.bytes.equals(readFileSync(vmlinux))).toBe(true);
  });

  test('stripped of everything, it is refused', () => {
    const stripped = join(folder, 'stripped');
    execFileSync('strip', ['-o', stripped, vmlinux]);
    expect(codeOf(() => profileOfFile(stripped))).toBe('KERNEL_FILE');
    const symbolsOnly = join(folder, 'symbols-only');
    execFileSync('strip', ['--strip-debug', '-o', symbolsOnly, vmlinux]);
    expect(codeOf(() => profileOfFile(symbolsOnly))).toBe('KERNEL_NO_BTF');
  });

  test('damaged files are refused, and end', () => {
    const good = readFileSync(vmlinux);
    const path = join(folder, 'damaged');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.nat(good.length),
        (changes, length) => {
          const bytes = Buffer.from(good.subarray(0, Math.max(64, length)));
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          writeFileSync(path, bytes.subarray(0, 4).equals(good.subarray(0, 4)) ? bytes : bzImage(bytes));
          try {
            profileOfFile(path);
          } catch (error) {
            expect(error).toBeInstanceOf(OuaError);
          }
        },
      ),
      { numRuns: 15 },
    );
  });
});

test('a file that is no kernel is refused', () => {
  const path = join(folder, 'text');
  writeFileSync(path, 'x'.repeat(5000));
  expect(codeOf(() => profileOfFile(path))).toBe('KERNEL_FILE');
  expect(codeOf(() => profileOfFile(join(folder, 'no-such')))).toBe('FILE_MISSING');
});

/** A boot image of `Documentation/arch/x86/boot.rst`, as far as the payload goes. */
function bzImage(payload: Buffer): Buffer {
  const setup = Buffer.alloc(5 * 512);
  setup[0x1f1] = 4;
  setup.write('HdrS', 0x202, 'latin1');
  setup.writeUInt16LE(0x020f, 0x206);
  setup.writeUInt32LE(100, 0x248);
  setup.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([setup, Buffer.alloc(100), payload]);
}
