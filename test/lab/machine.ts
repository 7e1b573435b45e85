import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { errnoOf, OuaError } from '../../src/base/errors.js';
import { QmpClient } from '../../src/qemu/qmp.js';
import { TRUST_TIMER } from './kernel-options.js';

/** The virtual hardware of a guest: the same at every start, or its saved state would not fit. */
export const machineSchema = z.object({
  name: z.string(),
  /** MiB. */
  memory: z.number().int(),
  cpus: z.number().int(),
  diskFormat: z.enum(['qcow2', 'raw']),
  rootUuid: z.string(),
  /** Ports of the guest that are forwarded from the loopback interface of this machine. */
  forwardedPorts: z.array(z.number().int()).readonly(),
});
export type Machine = z.infer<typeof machineSchema>;

/** Files of a guest's folder. */
export const guestFile = {
  record: 'guest.json',
  disk: (machine: Machine) => `disk.${machine.diskFormat}`,
  memory: 'memory.core',
  state: 'state',
  kernel: 'vmlinuz',
  initrd: 'initrd',
  qmp: 'qmp.sock',
  agent: 'qga.sock',
  pid: 'qemu.pid',
  log: 'qemu.log',
  console: 'console.log',
} as const;

/** Id of the network device's host side: what a filter is put on. */
export const NETDEV = 'net0';

/** sockaddr_un(7): 108 bytes with the ending NUL. */
const MAX_SOCKET_PATH = 107;

/**
 * QEMU's arguments, to be run in the guest's folder. Only Unix sockets and loopback ports are bound.
 * `pc` takes new PCI devices while it runs; `la57=off` gives the four page-table levels that real VMs have.
 */
export function qemuArguments(folder: string, machine: Machine, incoming: boolean): string[] {
  const mac = createHash('sha256').update(machine.name).digest();
  const hex = [0, 1, 2].map((at) => mac.readUInt8(at).toString(16).padStart(2, '0')).join(':');
  const forwards = machine.forwardedPorts.map((port) => `,hostfwd=tcp:127.0.0.1:0-:${port}`).join('');
  const root = `root=UUID=${machine.rootUuid} ro console=ttyS0 quiet ${TRUST_TIMER}`;
  return [
    ...['-name', machine.name, '-pidfile', join(folder, guestFile.pid)],
    ...['-machine', 'pc,accel=tcg', '-cpu', 'max,la57=off'],
    ...['-m', String(machine.memory), '-smp', String(machine.cpus)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-vga', 'none'],
    ...['-kernel', guestFile.kernel, '-initrd', guestFile.initrd, '-append', root],
    '-drive',
    `if=none,id=root,file=${guestFile.disk(machine)},format=${machine.diskFormat},cache=unsafe,discard=unmap`,
    ...['-device', 'virtio-blk-pci,id=root-disk,drive=root'],
    ...['-netdev', `user,id=${NETDEV}${forwards}`],
    ...['-device', `virtio-net-pci,id=nic0,netdev=${NETDEV},mac=52:54:00:${hex}`],
    ...['-device', 'virtio-rng-pci', '-device', 'virtio-serial-pci'],
    // The kernel leaves a note here that says where it is: other tools cannot read its memory without.
    ...['-device', 'vmcoreinfo'],
    ...['-chardev', `socket,id=agent,path=${guestFile.agent},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
    ...['-qmp', `unix:${guestFile.qmp},server=on,wait=off`, '-serial', `file:${guestFile.console}`],
    ...(incoming ? ['-S', '-incoming', `exec:cat ${guestFile.state}`] : []),
  ];
}

/**
 * Starts QEMU and returns when its QMP socket answers.
 * @param tied whether QEMU dies with this process; else it lives until `lab down`.
 * @throws OuaError `HOST_FAILED` with QEMU's own words.
 */
export async function startMachine(
  folder: string,
  machine: Machine,
  options: { readonly incoming: boolean; readonly tied: boolean },
): Promise<void> {
  for (const socket of [guestFile.qmp, guestFile.agent]) {
    if (Buffer.byteLength(join(folder, socket)) > MAX_SOCKET_PATH)
      throw new OuaError(
        'USAGE',
        `the path ${folder} is too long for a socket`,
        'set OUASSISTER_CACHE to a shorter path',
      );
    await rm(join(folder, socket), { force: true });
  }
  const log = openSync(join(folder, guestFile.log), 'w');
  const qemu = ['qemu-system-x86_64', ...qemuArguments(folder, machine, options.incoming)];
  const child = spawn('setpriv', [...(options.tied ? ['--pdeathsig', 'KILL'] : []), '--', ...qemu], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let ended = false;
  child.once('exit', () => (ended = true));
  child.once('error', () => (ended = true));
  child.unref();
  while (!ended) {
    try {
      (await QmpClient.connect(join(folder, guestFile.qmp)))[Symbol.dispose]();
      return;
    } catch (error) {
      if (!(error instanceof OuaError) || error.code !== 'VM_UNREACHABLE') throw error;
      await sleep(50);
    }
  }
  const words = (await readFile(join(folder, guestFile.log), 'utf8')).trim();
  throw new OuaError('HOST_FAILED', `QEMU ended at once: ${words}`, 'run `npm run setup`');
}

/**
 * The process id of a guest's QEMU, or undefined when it does not run. A process that merely got the same id
 * is told apart by its arguments.
 */
export async function machinePid(folder: string): Promise<number | undefined> {
  // QEMU itself removes the file when it ends, at any moment.
  const pid = Number.parseInt((await readIfThere(join(folder, guestFile.pid))) ?? '', 10);
  return (await isMachine(pid, folder)) ? pid : undefined;
}

async function isMachine(pid: number, folder: string): Promise<boolean> {
  const args = ((await readIfThere(`/proc/${pid}/cmdline`)) ?? '').split('\0');
  return args[args.indexOf('-pidfile') + 1] === join(folder, guestFile.pid);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    // A process that is ending reads as ESRCH.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}

/** Ends a guest's QEMU without asking the guest, and waits until it is gone. */
export async function endMachine(folder: string): Promise<void> {
  const pid = await machinePid(folder);
  if (pid !== undefined) {
    signal(pid, 'SIGTERM');
    for (let waited = 0; await isMachine(pid, folder); waited += 50) {
      if (waited === 5_000) signal(pid, 'SIGKILL');
      await sleep(50);
    }
  }
  for (const file of [guestFile.pid, guestFile.qmp, guestFile.agent])
    await rm(join(folder, file), { force: true });
}

/** kill(2), for a process that may have ended a moment ago. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
