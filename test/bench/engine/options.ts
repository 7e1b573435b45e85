import { readFileSync } from 'node:fs';
import { cpus, loadavg, uptime } from 'node:os';
import { packMachine } from '../../../src/emulate/machine.js';
import { packUts } from '../../../src/emulate/uts.js';
import {
  maintainerScript,
  scriptDirectories,
} from '../../../src/planner/package-managers/dpkg/maintainer-scripts.js';
import { hiddenProcPath } from '../../../src/sandbox/sandbox.js';
import type { MachineAnswers, TraceOptions } from '../../../src/tracer/tracer.js';
import { guestUts } from '../../tracer/guest-uts.js';

/** How often the handlers were called. */
export interface HandlerCounts {
  asked: number;
  scripts: number;
  told: number;
}

const uname = packUts(guestUts);

/** Loads as sysinfo(2) has them, `SI_LOAD_SHIFT`. */
const loadUnit = 1 << 16;

/**
 * This host's own machine, so that a program that goes by the number of processors or the size of the memory, as
 * compilers and decompressors do, does the same work as without a tracer.
 */
function hostMachine(): MachineAnswers {
  const lines = [...readFileSync('/proc/meminfo', 'latin1').matchAll(/^(\w+): +(\d+) kB$/gm)];
  const [one = 0, five = 0, fifteen = 0] = loadavg().map((load) => Math.round(load * loadUnit));
  const count = cpus().length;
  return packMachine({
    memInfo: () => lines.map(([, name, value]) => [name!, Number(value)] as const),
    uptime: () => ({ up: uptime(), idle: 0 }),
    loads: () => [one, five, fifteen],
    processes: () => [],
    cpuNumbers: () => ({ online: [...Array(count).keys()], ids: count }),
  });
}

/**
 * The engine as the planner configures it, with handlers that look at what they get and let every script run. Outside
 * of a sandbox there is no shadow proc, and so no hidden one whose links are to be shown as what they stand for.
 */
export function plannedOptions(counts: HandlerCounts, sandboxed: boolean) {
  return {
    uname,
    machine: hostMachine(),
    ...(sandboxed && { hiddenProc: hiddenProcPath }),
    execPaths: scriptDirectories,
    onExec: ({ absolutePath, environment }) => {
      counts.asked++;
      if (maintainerScript(absolutePath.toString('latin1'), environment)) counts.scripts++;
      return { action: 'continue' };
    },
    onEvent: () => void counts.told++,
  } satisfies Partial<TraceOptions>;
}
