import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OuaError } from '../../../src/base/errors.js';
import { QmpClient } from '../../../src/qemu/qmp.js';
import { cached, recipeHash, type Say } from '../cache.js';
import { TRUST_TIMER } from '../kernel-options.js';
import { tool } from '../tools.js';
import { writeCpio } from './cpio.js';
import { marks, zooInit } from './init.js';
import { zooKernels, type DebianArchitecture, type ZooKernel } from './kernels.js';
import { debugProfile, zooFiles, type ZooFiles } from './packages.js';

/** A suspended guest of the zoo: its memory, and what it said about itself right before. */
export interface ZooGuest {
  readonly kernel: ZooKernel;
  /** An ELF dump. */
  readonly memory: string;
  /** The kernel that it booted, as its package has it. */
  readonly vmlinuz: string;
  /** Path of the profile that it needs, where its kernel does not describe itself. */
  readonly profile: string | undefined;
  /** What `init.ts` names `name`. */
  inside(name: string): Promise<string>;
}

/** How long an emulated guest may take to describe itself: a hang guard. */
const PATIENCE_MS = 400_000;
const DISK_MIB = 16;

interface Emulator {
  readonly program: string;
  readonly console: string;
  /** Of its kernels' command lines. */
  readonly options: readonly string[];
}

const emulators: Record<DebianArchitecture, Emulator> = {
  amd64: { program: 'qemu-system-x86_64', console: 'ttyS0', options: [TRUST_TIMER] },
  arm64: { program: 'qemu-system-aarch64', console: 'ttyAMA0', options: [] },
};

const files = {
  initrd: 'initrd',
  disk: 'disk.raw',
  qmp: 'qmp.sock',
  log: 'qemu.log',
  console: 'console.log',
};

/**
 * A suspended guest of the zoo by its name, from the cache or booted: half a minute, and the download of its
 * kernel the first time. Never write to its files.
 * @throws OuaError `USAGE` for an unknown name, `HOST_FAILED` when it does not boot.
 */
export async function zooGuest(name: string, say: Say = () => undefined): Promise<ZooGuest> {
  const kernel = zooKernels.find((row) => row.name === name);
  if (!kernel)
    throw new OuaError(
      'USAGE',
      `there is no '${name}' in the zoo`,
      `take one of: ${zooKernels.map((row) => row.name).join(', ')}`,
    );
  const parts = await zooFiles(kernel, say);
  const { console } = emulators[kernel.architecture];
  const hash = recipeHash([parts.hash, qemuArguments(kernel, parts.vmlinuz), zooInit(console), DISK_MIB]);
  const folder = await cached('zoo', hash, say, (building) => boot(kernel, parts, building, say));
  return {
    kernel,
    memory: join(folder, 'memory.core'),
    vmlinuz: parts.vmlinuz,
    profile: kernel.needsProfile ? await debugProfile(kernel, say) : undefined,
    inside: (capture) => readFile(join(folder, 'inside', `${capture}.txt`), 'utf8'),
  };
}

/** To be run in the guest's folder. */
function qemuArguments(kernel: ZooKernel, vmlinuz: string): string[] {
  const { console, options } = emulators[kernel.architecture];
  const commandLine = [`console=${console}`, 'panic=-1', 'rdinit=/init', ...options, kernel.append ?? ''];
  return [
    ...['-machine', `${kernel.machine},accel=tcg`, '-cpu', kernel.cpu],
    ...['-m', String(kernel.memory), '-smp', String(kernel.cpus)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-kernel', vmlinuz, '-initrd', files.initrd],
    ...['-append', commandLine.join(' ').trim()],
    ...[
      '-netdev',
      'user,id=net0,restrict=on',
      '-device',
      'virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56,romfile=',
    ],
    ...['-drive', `if=none,id=disk,file=${files.disk},format=raw,cache=unsafe`],
    ...['-device', 'virtio-blk-pci,drive=disk'],
    ...['-serial', `file:${files.console}`, '-qmp', `unix:${files.qmp},server=on,wait=off`],
  ];
}

async function boot(kernel: ZooKernel, parts: ZooFiles, folder: string, say: Say): Promise<void> {
  await writeFile(join(folder, files.initrd), await initramfs(kernel, parts));
  await tool('mke2fs', ['-q', '-t', 'ext4', '-L', 'zoo', join(folder, files.disk), `${DISK_MIB}M`]);
  say(`booting ${kernel.name}`);
  const started = Date.now();
  const { program } = emulators[kernel.architecture];
  const log = openSync(join(folder, files.log), 'w');
  const qemu = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', '--', program, ...qemuArguments(kernel, parts.vmlinuz)],
    { cwd: folder, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  const ended = new Promise<void>((resolve) => {
    qemu.once('exit', () => resolve());
    qemu.once('error', () => resolve());
  });
  try {
    const captures = await awaitCaptures(folder, () => qemu.exitCode !== null || qemu.signalCode !== null);
    using qmp = await QmpClient.connect(join(folder, files.qmp));
    await qmp.execute('stop');
    await qmp.execute(
      'dump-guest-memory',
      { paging: false, protocol: `file:${join(folder, 'memory.core')}` },
      { timeoutMs: PATIENCE_MS },
    );
    const inside = join(folder, 'inside');
    await mkdir(inside);
    await writeFile(join(inside, 'captures.tar.gz'), captures);
    await tool('tar', ['--no-same-owner', '-xzf', 'captures.tar.gz'], { cwd: inside });
    await rm(join(inside, 'captures.tar.gz'));
  } finally {
    qemu.kill('SIGKILL');
    await ended;
  }
  // Most of its RAM was never touched.
  await tool('fallocate', ['--dig-holes', join(folder, 'memory.core')]);
  await rm(join(folder, files.qmp), { force: true });
  say(`${kernel.name} described itself within ${Math.round((Date.now() - started) / 1000)} s`);
}

async function initramfs(kernel: ZooKernel, parts: ZooFiles): Promise<Buffer> {
  const { console } = emulators[kernel.architecture];
  const directory = (path: string) => ({ path, mode: 0o40755 });
  const modules = await Promise.all(
    parts.modules.map(async (path) => ({
      path: `modules/${basename(path)}`,
      mode: 0o100644,
      content: await readFile(path),
    })),
  );
  return writeCpio([
    ...['bin', 'dev', 'modules'].map(directory),
    { path: 'dev/console', mode: 0o20600, device: [5, 1] },
    { path: 'dev/null', mode: 0o20666, device: [1, 3] },
    { path: 'bin/busybox', mode: 0o100755, content: await readFile(parts.busybox) },
    ...modules,
    {
      path: 'modules/list',
      mode: 0o100644,
      content: Buffer.from(parts.modules.map((path) => `${basename(path)}\n`).join('')),
    },
    { path: 'init', mode: 0o100755, content: Buffer.from(zooInit(console)) },
  ]);
}

/** Waits for the guest's own words on its console and returns them: a gzipped tar archive. */
async function awaitCaptures(folder: string, hasEnded: () => boolean): Promise<Buffer> {
  const path = join(folder, files.console);
  for (let waited = 0; ; waited += 200) {
    const text = (await readdir(folder)).includes(files.console) ? await readFile(path, 'latin1') : '';
    const begin = text.indexOf(marks.begin);
    const end = text.indexOf(marks.end, begin);
    if (begin >= 0 && end >= 0) return Buffer.from(text.slice(begin + marks.begin.length, end), 'base64');
    if (hasEnded() || waited > PATIENCE_MS)
      throw new OuaError(
        'HOST_FAILED',
        `the guest did not describe itself: ${(text || (await readFile(join(folder, files.log), 'utf8'))).slice(-300)}`,
        'run `npm run setup`, and boot it by hand',
      );
    await sleep(200);
  }
}
