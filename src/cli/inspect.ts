import { openDisk } from '../disk/open.js';
import { openGuest } from '../guest/open.js';
import { readProfile, shippedProfiles } from '../kernel/profile.js';
import { openMemory } from '../memory/open.js';
import type { Guest } from '../guest/guest.js';
import type { Command, CommonArguments } from './command.js';
import { printJson, printTable, printText } from './output.js';

interface InspectArguments extends CommonArguments {
  readonly memory: string;
  readonly disk?: string | undefined;
  readonly 'memory-format'?: string | undefined;
  readonly profile?: string | undefined;
}

export const inspectCommand: Command<InspectArguments> = {
  command: 'inspect',
  describe: 'show the guest that a memory image holds',
  examples: [
    ['$0 inspect --memory memory.core', 'kernel, processes, modules and mounts of the suspended guest'],
    [
      '$0 inspect --memory memory.core --disk disk.qcow2 --json',
      'the same with the disk, for a program to read',
    ],
  ],
  options: (yargs) =>
    yargs
      .option('memory', { type: 'string', demandOption: true, describe: 'memory image of the guest' })
      .option('disk', { type: 'string', describe: 'disk image of the guest' })
      .option('memory-format', { type: 'string', describe: 'format of the memory image (default: detected)' })
      .option('profile', { type: 'string', describe: 'kernel profile (default: derived from the image)' }),
  mounts: (args) => args.disk !== undefined,
  run: async (args, { signal }) => {
    using memory = openMemory(args.memory, { format: args['memory-format'] });
    using guest = openGuest(memory, {
      profile: args.profile === undefined ? undefined : readProfile(args.profile),
      profileDirectory: shippedProfiles,
    });
    const fileSystems = args.disk === undefined ? undefined : await listDisk(args.disk, signal);
    if (args.json) printJson({ ...guestDocument(guest), ...(fileSystems ? { disk: fileSystems } : {}) });
    else printGuest(guest, fileSystems);
    return 0;
  },
};

type DiskRow = {
  readonly partition: number | undefined;
  readonly type: string;
  readonly uuid: string | undefined;
};

async function listDisk(path: string, signal: AbortSignal): Promise<DiskRow[]> {
  await using disk = await openDisk(path, { signal });
  return disk.fileSystems.map(({ partition, type, uuid }) => ({ partition, type, uuid }));
}

function guestDocument(guest: Guest) {
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

function printGuest(guest: Guest, fileSystems: readonly DiskRow[] | undefined): void {
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
