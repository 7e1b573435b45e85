import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadShim } from '../../src/native/shim.js';

const source = fileURLToPath(new URL('../../../test/applier/probe.c', import.meta.url));
let compiled: Buffer | undefined;

/** The static program of `probe.c`. */
export function probe(): Buffer {
  if (compiled) return compiled;
  const folder = mkdtempSync(join(tmpdir(), 'oua-probe-'));
  try {
    const path = join(folder, 'probe');
    execFileSync('cc', ['-std=gnu11', '-O1', '-static', '-o', path, source]);
    return (compiled = readFileSync(path));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const machineId = '0123456789abcdef0123456789abcdef';

/** Lays out a small guest: what the agent looks for, and some files to change. */
export function makeGuest(root: string): void {
  const folders = [
    'etc',
    'usr/bin',
    'usr/share/doc/old',
    'var/lib/dpkg/info',
    'var/lib/dpkg/triggers',
    'srv',
    'tmp',
  ];
  for (const folder of folders) mkdirSync(join(root, folder), { recursive: true });
  const put = (path: string, content: string | Buffer, mode = 0o644) => {
    writeFileSync(join(root, path), content);
    chmodSync(join(root, path), mode);
  };
  put('etc/machine-id', `${machineId}\n`);
  put('etc/app.conf', 'colour = blue\n', 0o640);
  chownSync(join(root, 'etc/app.conf'), 0, 33);
  put('usr/bin/tool', 'old tool', 0o755);
  linkSync(join(root, 'usr/bin/tool'), join(root, 'usr/bin/tool-too'));
  symlinkSync('tool', join(root, 'usr/bin/t'));
  put('usr/bin/dpkg', probe(), 0o755);
  put('usr/share/doc/old/readme', 'old words');
  put('var/lib/dpkg/lock', '');
  put('var/lib/dpkg/lock-frontend', '');
  put('var/lib/dpkg/status', 'Package: app\nStatus: install ok installed\n\n');
  put('var/lib/dpkg/info/app.postinst', probe(), 0o755);
  for (const path of ['srv', 'etc', 'usr/bin', 'usr/share/doc', 'usr/share/doc/old', 'var/lib', '.'])
    utimesSync(join(root, path), 1_600_000_000, 1_600_000_000 + path.length);
}

const shim = loadShim();

/** Everything about a tree that an update can change, one line a name. Times of change and access are not. */
export function snapshot(root: string): string[] {
  const inodes = new Map<string, string>();
  return names(root).map((path) => {
    const full = join(root, path);
    const { mode, uid, gid, size, mtimeNs, rdev, dev, ino, nlink } = lstatSync(full, { bigint: true });
    const type = mode & 0o170000n;
    const inode = `${dev}:${ino}`;
    if (!inodes.has(inode)) inodes.set(inode, path);
    const twin = nlink > 1n && type !== 0o040000n ? inodes.get(inode) : '';
    const content =
      type === 0o100000n
        ? createHash('sha256').update(readFileSync(full)).digest('hex')
        : type === 0o120000n
          ? readlinkSync(full)
          : '';
    const bytes = type === 0o040000n ? 0n : size;
    return [path, mode.toString(8), uid, gid, bytes, mtimeNs, rdev, content, twin, ...xattrs(full)].join(' ');
  });
}

function names(root: string, folder = '.'): string[] {
  return [
    folder,
    ...readdirSync(join(root, folder), { withFileTypes: true })
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((entry) =>
        entry.isDirectory() ? names(root, join(folder, entry.name)) : [join(folder, entry.name)],
      ),
  ];
}

export function xattrs(path: string): string[] {
  const at = Buffer.from(`${path}\0`);
  const list = Buffer.alloc(4096);
  const length = shim.oua_list_xattrs(at, list, list.length);
  const found = list.subarray(0, Math.max(length, 0)).toString().split('\0').filter(Boolean).sort();
  return found.map((name) => {
    const value = Buffer.alloc(4096);
    return `${name}=${value.subarray(0, shim.oua_get_xattr(at, name, value, value.length)).toString('hex')}`;
  });
}
