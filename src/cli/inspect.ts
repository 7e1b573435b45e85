import { OuaError } from '../base/errors.js';
import type { Guest } from '../guest/guest.js';
import { openGuest } from '../guest/open.js';
import { profileCacheFolder } from '../kernel/profile-cache.js';
import { readProfile, shippedProfiles } from '../kernel/profile.js';
import { openMemory } from '../memory/open.js';
import type { Command, CommonArguments } from './command.js';
import { printFile, printTree, treeDocument } from './inspect-files.js';
import { chooseSections, sectionNames, type Section } from './inspect-sections.js';
import { memoryFormatHelp, memoryHelp, profileHelp } from './memory-option.js';
import { printJson, printTable, printText } from './output.js';

interface InspectArguments extends CommonArguments {
  readonly memory: string;
  readonly disk?: string | undefined;
  readonly 'memory-format'?: string | undefined;
  readonly profile?: string | undefined;
  readonly derive: boolean;
  readonly only?: string | undefined;
  readonly tree?: string | undefined;
  readonly cat?: string | undefined;
  readonly proc?: string | undefined;
}

export const inspectCommand: Command<InspectArguments> = {
  command: 'inspect',
  describe: 'show the guest that a memory image holds',
  examples: [
    ['$0 inspect --memory memory.core', 'kernel, processes, modules and mounts of the suspended guest'],
    ['$0 inspect --memory qmp:/run/vm/qmp.sock', 'the same of a VM that is paused now'],
    ['$0 inspect --memory memory.core --only processes', 'its processes, and nothing else'],
    [
      '$0 inspect --memory memory.core --disk disk.qcow2 --json',
      'all there is with the disk, for a program to read',
    ],
    ['$0 inspect --memory memory.core --tree /run', 'the files in /run, which are in memory only'],
    ['$0 inspect --memory memory.core --cat /run/utmp > utmp', 'the bytes of one of them'],
    ['$0 inspect --memory memory.core --proc net/tcp', 'what the guest would print of that file of /proc'],
    ['$0 inspect --memory memory.core --only log', "its kernel's log, as dmesg prints it"],
  ],
  options: (yargs) =>
    yargs
      .option('memory', { type: 'string', demandOption: true, describe: memoryHelp })
      .option('disk', { type: 'string', describe: 'disk image of the guest' })
      .option('memory-format', { type: 'string', describe: memoryFormatHelp })
      .option('profile', { type: 'string', describe: profileHelp })
      .option('derive', {
        type: 'boolean',
        default: false,
        describe: "derive the kernel's profile from the image, even where there is one",
      })
      .option('only', { type: 'string', describe: `some of ${sectionNames.join(',')}` })
      .option('tree', { type: 'string', describe: 'list the files below a path that memory knows' })
      .option('cat', { type: 'string', describe: 'print the bytes of a file that is in memory' })
      .option('proc', { type: 'string', describe: "print a file of the guest's /proc" }),
  mounts: (args) => args.disk !== undefined,
  run: async (args, { signal }) => {
    requireOneQuestion(args);
    const chosen = chooseSections(args.only);
    using memory = await openMemory(args.memory, { format: args['memory-format'] });
    using guest = openGuest(memory, {
      profile: args.profile === undefined ? undefined : readProfile(args.profile),
      ...(args.derive ? {} : { profileDirectory: shippedProfiles, profileCache: profileCacheFolder() }),
    });
    if (args.cat !== undefined) printFile(guest.files, args.cat);
    else if (args.proc !== undefined) {
      // Loaded when it is asked for, as what opens disks is below.
      const { procFile } = await import('./inspect-proc.js');
      process.stdout.write(procFile(guest, args.proc));
    } else if (args.tree !== undefined && args.json) printJson(treeDocument(guest.files, args.tree));
    else if (args.tree !== undefined) printTree(guest.files, args.tree);
    else {
      const fileSystems = args.disk === undefined ? undefined : await listDisk(args.disk, signal);
      if (args.json) printJson(documentOf(guest, chosen, fileSystems));
      else {
        const shown = args.only === undefined ? chosen.filter(({ onDemand }) => !onDemand) : chosen;
        printTables(guest, shown, fileSystems);
      }
    }
    return 0;
  },
};

/** @throws OuaError `USAGE` */
function requireOneQuestion(args: InspectArguments): void {
  const { tree, cat, proc, disk, only, json, derive, profile } = args;
  const several = (...values: unknown[]) => values.filter((value) => value !== undefined).length > 1;
  const wrong =
    several(tree, cat, proc, disk) || several(tree, cat, proc, only)
      ? '--tree, --cat and --proc exclude each other, --only and --disk'
      : derive && profile !== undefined
        ? '--derive and --profile exclude each other'
        : (cat ?? proc) !== undefined && json
          ? '--cat and --proc print a file as it is, and so not as JSON'
          : [tree, cat].some((path) => path !== undefined && !path.startsWith('/'))
            ? 'the path of a file in the guest begins with /'
            : undefined;
  if (wrong !== undefined) throw new OuaError('USAGE', wrong, 'see `ouassister inspect --help`');
}

interface DiskRow {
  readonly partition: number | undefined;
  readonly type: string;
  readonly uuid: string | undefined;
}

async function listDisk(path: string, signal: AbortSignal): Promise<DiskRow[]> {
  // What opens disks is loaded when there is one: it takes as long as reading the memory.
  const { openDisk } = await import('../disk/open.js');
  await using disk = await openDisk(path, { signal });
  return disk.fileSystems.map(({ partition, type, uuid }) => ({ partition, type, uuid }));
}

function documentOf(guest: Guest, chosen: readonly Section[], disk: readonly DiskRow[] | undefined): object {
  const parts = chosen.map(({ document }) => document(guest));
  return Object.assign({}, ...parts, disk && { disk }) as object;
}

function printTables(guest: Guest, chosen: readonly Section[], disk: readonly DiskRow[] | undefined): void {
  const tables = chosen.map(({ head, rows }) => ({ head, rows: rows(guest) }));
  if (disk)
    tables.push({
      head: ['PARTITION', 'TYPE', 'UUID'],
      rows: disk.map((f) => [f.partition ?? 'whole disk', f.type, f.uuid ?? '']),
    });
  tables.forEach(({ head, rows }, index) => {
    if (index > 0) printText('');
    printTable(head, rows);
  });
}
