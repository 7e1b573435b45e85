import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpClient } from '../../src/qemu/qmp.js';
import { cacheFolder } from '../lab/cache.js';

const PATIENCE_MS = 300_000;

/** A guest's kernel up to the shell of its initrd, on any board, with its RAM in a shared file; then paused. */
export class BoardVm implements AsyncDisposable {
  readonly ram: string;
  readonly socket: string;

  private constructor(
    readonly folder: string,
    private readonly qemu: ChildProcess,
  ) {
    this.ram = join(folder, 'ram');
    this.socket = join(folder, 'qmp');
  }

  /** @param boot the folder with `vmlinuz` and `initrd` */
  static async start(boot: string, machine: string, mebibytes: number): Promise<BoardVm> {
    const folder = mkdtempSync(join(cacheFolder(), 'board-'));
    const backend = `memory-backend-file,id=mem,share=on,size=${mebibytes}M,mem-path=${join(folder, 'ram')}`;
    const options = [
      ...['-machine', `${machine},accel=tcg,memory-backend=mem`, '-object', backend],
      ...['-m', String(mebibytes), '-cpu', 'max,la57=off', '-nodefaults', '-display', 'none', '-vga', 'none'],
      ...['-kernel', join(boot, 'vmlinuz'), '-initrd', join(boot, 'initrd')],
      ...['-append', 'console=ttyS0 rdinit=/bin/sh', '-serial', `file:${join(folder, 'console')}`],
      ...['-qmp', `unix:${join(folder, 'qmp')},server=on,wait=off`],
    ];
    const qemu = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...options], {
      stdio: 'ignore',
    });
    const vm = new BoardVm(folder, qemu);
    try {
      await vm.#booted();
      using qmp = await QmpClient.connect(vm.socket);
      await qmp.execute('stop');
      return vm;
    } catch (error) {
      await vm[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #booted(): Promise<void> {
    const console = join(this.folder, 'console');
    for (let waited = 0; waited < PATIENCE_MS; waited += 200) {
      if (this.qemu.exitCode !== null) throw new Error('QEMU ended');
      if (existsSync(console) && /as init process[^#]*# $/.test(readFileSync(console, 'latin1'))) return;
      await sleep(200);
    }
    throw new Error('the guest does not boot');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.qemu.exitCode === null) {
      const gone = once(this.qemu, 'exit');
      this.qemu.kill('SIGKILL');
      await gone;
    }
    rmSync(this.folder, { recursive: true });
  }
}
