import * as fs from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { startTool } from '../../src/base/command.js';
import { isMountPoint } from '../../src/base/mounts.js';
import { openDisk, type Disk, type OpenDiskOptions } from '../../src/disk/open.js';
import {
  leftovers,
  makeFileSystem,
  makePartitionedDisk,
  run,
  sha256,
  sparseFile,
  temporaryDirectory,
} from './images.js';

const MiB = 1 << 20;
let folder: { path: string } & Disposable;
const file = (name: string) => join(folder.path, name);
const open = (path: string, options: OpenDiskOptions = {}) =>
  openDisk(path, { scratch: folder.path, ...options });

beforeEach(() => {
  folder = temporaryDirectory();
  fs.mkdirSync(file('tree/etc'), { recursive: true });
  fs.writeFileSync(file('tree/etc/hostname'), 'guest\n');
  fs.mkdirSync(file('mnt'));
});
afterEach(() => {
  expect(leftovers(folder.path)).toEqual([]);
  expect(fs.readdirSync(folder.path).filter((name) => name.startsWith('ouassister-'))).toEqual([]);
  folder[Symbol.dispose]();
});

/** What the disk's file system shows at a path. */
async function readFrom(disk: Disk, index: number, path: string): Promise<string> {
  await using mounted = await disk.fileSystems[index]!.mount(file('mnt'));
  expect(mounted).toBeDefined();
  return fs.readFileSync(file(`mnt/${path}`), 'utf8');
}

async function refusal(path: string, options: OpenDiskOptions = {}): Promise<unknown> {
  try {
    await using disk = await open(path, options);
    return disk.fileSystems;
  } catch (error) {
    return error;
  }
}
const refused = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) as string }) as unknown;

describe('a disk', () => {
  test('without partitions, raw, opens as its one file system', async () => {
    const uuid = makeImage('disk.raw');
    const before = sha256(file('disk.raw'));
    {
      await using disk = await open(file('disk.raw'));
      expect(disk).toMatchObject({ format: 'raw', size: 32 * MiB });
      expect(disk.fileSystems).toMatchObject([{ uuid, type: 'ext4', partition: undefined }]);
      expect(await readFrom(disk, 0, 'etc/hostname')).toBe('guest\n');
    }
    expect(sha256(file('disk.raw'))).toBe(before);
  });

  test('with partitions, qcow2, opens with one file system for each', async () => {
    const uuids = makePartitionedDisk(file('disk.raw'), [file('tree'), undefined]);
    run('qemu-img', 'convert', '-O', 'qcow2', file('disk.raw'), file('disk.qcow2'));
    const before = sha256(file('disk.qcow2'));
    {
      await using disk = await open(file('disk.qcow2'));
      expect(disk.format).toBe('qcow2');
      expect(disk.fileSystems.map(({ uuid, partition }) => [uuid, partition])).toEqual([
        [uuids[0], 1],
        [uuids[1], 2],
      ]);
      expect(await readFrom(disk, 0, 'etc/hostname')).toBe('guest\n');
    }
    expect(sha256(file('disk.qcow2'))).toBe(before);
  });

  test('that was not unmounted shows what its journal has, and its bytes stay', async () => {
    makeImage('live.raw');
    run('mount', '-o', 'loop', file('live.raw'), file('mnt'));
    try {
      fs.writeFileSync(file('mnt/etc/late'), 'written just before the suspend', { flush: true });
      fs.copyFileSync(file('live.raw'), file('disk.raw'));
    } finally {
      run('umount', file('mnt'));
    }
    expect(run('dumpe2fs', '-h', file('disk.raw'))).toMatch(/needs_recovery/);
    const before = sha256(file('disk.raw'));
    {
      await using disk = await open(file('disk.raw'));
      expect(await readFrom(disk, 0, 'etc/late')).toBe('written just before the suspend');
    }
    expect(sha256(file('disk.raw'))).toBe(before);
  });

  test('mounts only what the host is to parse, and nothing on it can run', async () => {
    sparseFile(file('disk.raw'), 8 * MiB);
    run('mkswap', file('disk.raw'));
    await using disk = await open(file('disk.raw'));
    await expect(disk.fileSystems[0]!.mount(file('mnt'))).rejects.toEqual(
      refused('GUEST_UNSUPPORTED', /swap/),
    );
    makeImage('other.raw');
    await using other = await open(file('other.raw'));
    await using mounted = await other.fileSystems[0]!.mount(file('mnt'));
    expect(mounted).toBeDefined();
    expect(run('findmnt', '--noheadings', '--output', 'OPTIONS', file('mnt'))).toMatch(
      /^ro,nosuid,nodev,noexec,.*errors=remount-ro/,
    );
  });

  test('that a running program writes to is refused', async () => {
    makeImage('disk.raw');
    fs.writeFileSync(file('export'), '');
    const node = { driver: 'file', 'node-name': 'n', filename: file('disk.raw') };
    const fuse = { type: 'fuse', id: 'e', 'node-name': 'n', mountpoint: file('export'), writable: true };
    const writer = startTool('qemu-storage-daemon', [
      '--blockdev',
      JSON.stringify(node),
      '--export',
      JSON.stringify(fuse),
    ]);
    try {
      while (!isMountPoint(file('export'))) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(await refusal(file('disk.raw'))).toEqual(refused('GUEST_BUSY', /in use/));
    } finally {
      writer.kill();
      await writer;
    }
  });
});

describe('an image that names other files', () => {
  const secret = () => file('secret');
  beforeEach(() => fs.writeFileSync(secret(), 'host secret'.padEnd(512)));

  test('is refused, whatever its name, unless the operator names the file too', async () => {
    const uuid = makeImage('base.raw');
    run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', file('base.raw'), '-F', 'raw', file('disk.qcow2'));
    expect(await refusal(file('disk.qcow2'))).toEqual(refused('DISK_FORMAT', /base\.raw/));
    expect(await refusal(file('disk.qcow2'), { backing: [secret()] })).toEqual(
      refused('DISK_FORMAT', /base\.raw/),
    );
    await using disk = await open(file('disk.qcow2'), { backing: [file('base.raw')] });
    expect(disk.fileSystems).toMatchObject([{ uuid }]);
  });

  test('a raw disk on which the guest wrote a qcow2 header discloses nothing', async () => {
    run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', secret(), '-F', 'raw', file('header'));
    sparseFile(file('disk.raw'), 4 * MiB);
    const header = fs.readFileSync(file('header'));
    const disk = fs.openSync(file('disk.raw'), 'r+');
    fs.writeSync(disk, header);
    fs.closeSync(disk);
    expect(await refusal(file('disk.raw'))).toEqual(refused('DISK_FORMAT', /secret/));
    expect(await refusal(file('disk.raw'), { format: 'raw' })).toEqual([]);
  });

  test.each([
    'json:{"driver":"file","filename":"/etc/passwd"}',
    'nbd://127.0.0.1/x',
    '/dev/vda',
    '../secret',
  ])('is refused for the backing name %s', async (name) => {
    run('qemu-img', 'create', '-q', '-u', '-f', 'qcow2', '-b', name, '-F', 'raw', file('disk.qcow2'), '1M');
    expect(await refusal(file('disk.qcow2'))).toEqual(refused('DISK_FORMAT', /based on another file/));
  });

  test('is refused when its data is in another file, or it is encrypted', async () => {
    const options = `data_file=${file('data')},data_file_raw=on`;
    run('qemu-img', 'create', '-q', '-f', 'qcow2', '-o', options, file('disk.qcow2'), '1M');
    expect(await refusal(file('disk.qcow2'))).toEqual(refused('DISK_FORMAT', /another file/));
    run('qemu-img', 'create', '-q', '-f', 'qcow2', file('locked.qcow2'), '1M');
    const fd = fs.openSync(file('locked.qcow2'), 'r+');
    fs.writeSync(fd, Buffer.from([0, 0, 0, 2]), 0, 4, 32);
    fs.closeSync(fd);
    expect(await refusal(file('locked.qcow2'))).toEqual(refused('DISK_FORMAT', /encrypted/));
  });

  test('is refused when it names a file of unstated format, or itself', async () => {
    run('qemu-img', 'create', '-q', '-f', 'qcow2', file('loop.qcow2'), '1M');
    run(
      'qemu-img',
      'rebase',
      '-u',
      '-f',
      'qcow2',
      '-b',
      file('loop.qcow2'),
      '-F',
      'qcow2',
      file('loop.qcow2'),
    );
    expect(await refusal(file('loop.qcow2'), { backing: [file('loop.qcow2')] })).toEqual(
      refused('DISK_DAMAGED', /loop/),
    );
  });
});

describe('a bad image', () => {
  test('is named when it is missing', async () => {
    expect(await refusal(file('none'))).toEqual(refused('FILE_MISSING', /none/));
  });

  test('is called damaged when it is truncated', async () => {
    makePartitionedDisk(file('disk.raw'), [file('tree')]);
    fs.truncateSync(file('disk.raw'), 8 * MiB);
    expect(await refusal(file('disk.raw'))).toEqual(refused('DISK_DAMAGED', /partition table \(GPT\)/));
    makeImage('whole.raw');
    fs.truncateSync(file('whole.raw'), 8 * MiB);
    await using disk = await open(file('whole.raw'));
    await expect(disk.fileSystems[0]!.mount(file('mnt'))).rejects.toEqual(
      refused('DISK_DAMAGED', /cannot be mounted/),
    );
  });

  test('is called damaged when its qcow2 tables are garbage', async () => {
    run('qemu-img', 'create', '-q', '-f', 'qcow2', file('disk.qcow2'), '16M');
    const fd = fs.openSync(file('disk.qcow2'), 'r+');
    fs.writeSync(fd, Buffer.alloc(8, 0x7f), 0, 8, 40);
    fs.closeSync(fd);
    expect(await refusal(file('disk.qcow2'))).toEqual(refused('DISK_DAMAGED', /disk\.qcow2/));
  });
});

test('an abort at any moment ends the opening and leaves nothing', async () => {
  makePartitionedDisk(file('disk.raw'), [file('tree')]);
  for (const delay of [undefined, 0, 10, 25, 50]) {
    const controller = new AbortController();
    if (delay === undefined) controller.abort();
    else setTimeout(() => controller.abort(), delay);
    const outcome = await refusal(file('disk.raw'), { signal: controller.signal });
    if (!Array.isArray(outcome)) expect(outcome).toEqual(refused('INTERRUPTED', /interrupted/));
    if (!controller.signal.aborted) await once(controller.signal, 'abort');
    expect(leftovers(folder.path)).toEqual([]);
  }
});

function makeImage(name: string): string {
  sparseFile(file(name), 32 * MiB);
  return makeFileSystem(file(name), { tree: file('tree') });
}
