import { OuaError } from '../base/errors.js';
import type { Guest } from '../guest/guest.js';

type Cell = string | number;

/** One part of what `inspect` shows. */
export interface Section {
  /** Its keys of the document. */
  readonly document: (guest: Guest) => object;
  readonly head: readonly string[];
  readonly rows: (guest: Guest) => readonly (readonly Cell[])[];
  /** Shown as a table only when it is asked for: it is long, or for programs. */
  readonly onDemand?: true;
  /** Not part of the whole document either: not every kernel tells it. */
  readonly asked?: true;
}

/** All parts, in the order in which they are shown. */
const sections: Readonly<Record<string, Section>> = {
  system: {
    document: (guest) => ({
      banner: guest.banner,
      uts: guest.uts,
      commandLine: guest.commandLine(),
      bootId: guest.bootId(),
      uptime: guest.uptime(),
      wallClock: wallClock(guest),
      loadAverage: guest.loadAverage(),
      cpus: guest.cpus(),
    }),
    head: ['GUEST', ''],
    rows: (guest) => [
      ['kernel', `${guest.uts.sysname} ${guest.uts.release} ${guest.uts.machine}`],
      ['version', guest.uts.version],
      ['hostname', guest.uts.nodename],
      ['suspended', wallClock(guest)],
      ['up', `${Math.floor(guest.uptime().up)} s`],
      ['boot id', guest.bootId() ?? 'not known'],
      ['command line', guest.commandLine()],
    ],
  },
  memory: {
    document: (guest) => ({ memory: Object.fromEntries(guest.memInfo()) }),
    head: ['MEMORY', 'KIB'],
    rows: (guest) => guest.memInfo(),
    onDemand: true,
  },
  processes: {
    document: (guest) => ({
      processes: guest.processes().map(({ cmdline, ...rest }) => ({
        ...rest,
        cmdline: cmdline === undefined ? null : words(cmdline),
      })),
    }),
    head: ['PID', 'PPID', 'UID', 'STATE', 'COMMAND'],
    rows: (guest) =>
      guest
        .processes()
        .map((p) => [
          p.pid,
          p.ppid,
          p.uids[1],
          p.state,
          p.cmdline && p.cmdline.length > 0 ? words(p.cmdline).join(' ') : `[${p.comm}]`,
        ]),
  },
  parameters: {
    document: (guest) => ({ moduleParameters: guest.moduleParameters() }),
    head: ['MODULE', 'PARAMETER', 'VALUE'],
    rows: (guest) => guest.moduleParameters().map(({ module, name, text }) => [module, name, text.trimEnd()]),
    asked: true,
  },
  log: {
    document: (guest) => ({ kernelLog: guest.kernelLog() }),
    head: ['SECONDS', 'LEVEL', 'MESSAGE'],
    rows: (guest) =>
      guest
        .kernelLog()
        .map(({ time, level, text }) => [(Number(time / 1000n) / 1e6).toFixed(6), level, text]),
    asked: true,
  },
  mounts: {
    document: (guest) => ({ mounts: guest.mounts() }),
    head: ['MOUNT POINT', 'TYPE', 'SOURCE', 'OPTIONS'],
    rows: (guest) => guest.mounts().map((m) => [m.mountPoint, m.type, m.source, m.options]),
  },
  modules: {
    document: (guest) => ({
      modules: guest.modules().map((module) => ({ ...module, address: `0x${module.address.toString(16)}` })),
    }),
    head: ['MODULE', 'SIZE', 'USED BY'],
    rows: (guest) => guest.modules().map((m) => [m.name, m.size, m.usedBy.join(',')]),
  },
  filesystems: {
    document: (guest) => ({ fileSystemTypes: guest.fileSystemTypes() }),
    head: ['FILE SYSTEM', 'NEEDS A DEVICE'],
    rows: (guest) => guest.fileSystemTypes().map(({ name, nodev }) => [name, nodev ? 'no' : 'yes']),
    onDemand: true,
  },
  sysctls: {
    document: (guest) => ({ sysctls: Object.fromEntries(guest.sysctls()) }),
    head: ['SYSCTL', 'VALUE'],
    rows: (guest) => [...guest.sysctls()].map(([path, value]) => [path.replaceAll('/', '.'), value]),
    onDemand: true,
  },
};

/** The names that {@link chooseSections} takes. */
export const sectionNames: readonly string[] = Object.keys(sections);

/**
 * The parts that are named with commas, in their own order; when none is named, all but those that have to be asked for.
 * @throws OuaError `USAGE` for a name that there is not.
 */
export function chooseSections(only: string | undefined): readonly Section[] {
  const wanted = only?.split(',').filter((name) => name !== '') ?? [];
  const unknown = wanted.find((name) => !sectionNames.includes(name));
  if (unknown !== undefined)
    throw new OuaError('USAGE', `there is no part '${unknown}'`, `take some of: ${sectionNames.join(', ')}`);
  return sectionNames
    .filter((name) => (wanted.length === 0 ? !sections[name]?.asked : wanted.includes(name)))
    .map((name) => sections[name] as Section);
}

function words(cmdline: Buffer): string[] {
  return cmdline.length === 0 ? [] : cmdline.toString('utf8').replace(/\0$/, '').split('\0');
}

function wallClock(guest: Guest): string {
  return new Date(guest.wallClock() * 1000).toISOString();
}
