import type { Guest } from '../guest/guest.js';
import { printTable, printText } from './output.js';

/** A file system of the guest's disk. */
export interface DiskRow {
  readonly partition: number | undefined;
  readonly type: string;
  readonly uuid: string | undefined;
}

/** What `inspect --json` prints of a guest. */
export function guestDocument(guest: Guest) {
  return {
    banner: guest.banner,
    uts: guest.uts,
    commandLine: guest.commandLine(),
    bootId: guest.bootId(),
    uptime: guest.uptime(),
    wallClock: new Date(guest.wallClock() * 1000).toISOString(),
    loadAverage: guest.loadAverage(),
    cpus: guest.cpus(),
    memory: Object.fromEntries(guest.memInfo()),
    processes: guest.processes().map(({ cmdline, ...rest }) => ({
      ...rest,
      cmdline: cmdline === undefined ? null : words(cmdline),
    })),
    modules: guest.modules().map((module) => ({ ...module, address: `0x${module.address.toString(16)}` })),
    fileSystemTypes: guest.fileSystemTypes(),
    mounts: guest.mounts(),
    sysctls: Object.fromEntries(guest.sysctls()),
  };
}

function words(cmdline: Buffer): string[] {
  return cmdline.length === 0 ? [] : cmdline.toString('utf8').replace(/\0$/, '').split('\0');
}

/** The same for people. */
export function printGuest(guest: Guest, fileSystems: readonly DiskRow[] | undefined): void {
  const { uts } = guest;
  printTable(
    ['GUEST', ''],
    [
      ['kernel', `${uts.sysname} ${uts.release} ${uts.machine}`],
      ['version', uts.version],
      ['hostname', uts.nodename],
      ['suspended', new Date(guest.wallClock() * 1000).toISOString()],
      ['up', `${Math.floor(guest.uptime().up)} s`],
      ['boot id', guest.bootId() ?? 'not known'],
      ['command line', guest.commandLine()],
    ],
  );
  printText('');
  printTable(
    ['PID', 'PPID', 'UID', 'STATE', 'COMMAND'],
    guest
      .processes()
      .map((p) => [
        p.pid,
        p.ppid,
        p.uids[1],
        p.state,
        p.cmdline && p.cmdline.length > 0 ? words(p.cmdline).join(' ') : `[${p.comm}]`,
      ]),
  );
  printText('');
  printTable(
    ['MOUNT POINT', 'TYPE', 'SOURCE', 'OPTIONS'],
    guest.mounts().map((m) => [m.mountPoint, m.type, m.source, m.options]),
  );
  printText('');
  printTable(
    ['MODULE', 'SIZE', 'USED BY'],
    guest.modules().map((m) => [m.name, m.size, m.usedBy.join(',')]),
  );
  if (!fileSystems) return;
  printText('');
  printTable(
    ['PARTITION', 'TYPE', 'UUID'],
    fileSystems.map((f) => [f.partition ?? 'whole disk', f.type, f.uuid ?? '']),
  );
}
