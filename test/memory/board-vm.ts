import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpClient } from '../../src/qemu/qmp.js';
import { cacheFolder } from '../lab/cache.js';
import { TRUST_TIMER } from '../lab/kernel-options.js';

const PATIENCE_MS = 300_000;
/** A guest that panics ends its QEMU. */
const commandLine = `console=ttyS0 rdinit=/bin/sh ${TRUST_TIMER} panic=-1`;

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
      ...['-append', commandLine, '-no-reboot', '-serial', `file:${join(folder, 'console')}`],
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
    let text = '';
    for (let waited = 0; waited < PATIENCE_MS && this.qemu.exitCode === null; waited += 200) {
      await sleep(200);
      text = existsSync(console) ? readFileSync(console, 'latin1') : '';
      // The kernel may say more before the prompt is read, on the same line.
      if (/as init process[^]*\n# /.test(text)) return;
    }
    const what = this.qemu.exitCode === null ? 'the guest does not boot' : 'QEMU ended';
    throw new Error(`${what}: …${text.slice(-2_000)}`);
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
