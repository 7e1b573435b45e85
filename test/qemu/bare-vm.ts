import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpClient } from '../../src/qemu/qmp.js';

/** A machine without a guest, before its first instruction: QEMU's own side of things can be looked at. */
export class BareVm implements AsyncDisposable {
  private constructor(
    readonly folder: string,
    readonly qmp: QmpClient,
    private readonly qemu: ChildProcess,
  ) {}

  /** @param options of QEMU, besides the common ones */
  static async start(...options: string[]): Promise<BareVm> {
    const folder = mkdtempSync(join(tmpdir(), 'oua-vm-'));
    const socket = join(folder, 'qmp');
    const common = ['-S', '-accel', 'tcg', '-m', '32', '-nodefaults', '-display', 'none', '-vga', 'none'];
    const control = ['-qmp', `unix:${socket},server=on,wait=off`];
    const qemu = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...common, ...control, ...options],
      { stdio: 'ignore' },
    );
    return new BareVm(folder, await connect(socket, qemu), qemu);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.qmp[Symbol.dispose]();
    if (this.qemu.exitCode !== null || this.qemu.signalCode !== null) return;
    const gone = once(this.qemu, 'exit');
    this.qemu.kill('SIGKILL');
    await gone;
    rmSync(this.folder, { recursive: true });
  }
}

/** The socket is there a moment before anyone listens at it. */
async function connect(socket: string, qemu: ChildProcess): Promise<QmpClient> {
  for (;;) {
    try {
      if (existsSync(socket)) return await QmpClient.connect(socket);
    } catch (error) {
      if (qemu.exitCode !== null) throw error;
    }
    if (qemu.exitCode !== null) throw new Error('QEMU does not start');
    await sleep(20);
  }
}
