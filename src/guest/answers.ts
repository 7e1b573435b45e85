import { OuaError } from '../base/errors.js';
import type { Guest } from './guest.js';

/** One thing that a guest can be asked, and why it cannot be told; undefined when it can. */
export interface AnswerCheck {
  readonly answer: string;
  readonly problem: string | undefined;
}

const answers: readonly (readonly [answer: string, ask: (guest: Guest) => unknown])[] = [
  ['names (uname)', (guest) => guest.uts],
  ['processes', (guest) => guest.processes()],
  ['memory maps', (guest) => guest.memoryMaps()],
  ['threads', (guest) => guest.threads()],
  ['open files', (guest) => guest.openFiles()],
  ['modules', (guest) => guest.modules()],
  ['module parameters', (guest) => guest.moduleParameters()],
  ['mounts', (guest) => guest.mounts()],
  ['mounts of processes', (guest) => guest.processMounts()],
  ['file systems', (guest) => guest.fileSystemTypes()],
  ['memory figures', (guest) => guest.memInfo()],
  ['sysctls', (guest) => guest.sysctls()],
  ['file locks', (guest) => guest.fileLocks()],
  ['unwritten files', (guest) => guest.unwrittenFiles()],
  ['files in memory', (guest) => [...guest.files.tree('/run')].map(({ file }) => file?.content?.())],
  ['command line', (guest) => guest.commandLine()],
  ['kernel log', (guest) => guest.kernelLog()],
  ['boot id', (guest) => guest.bootId()],
  ['uptime', (guest) => guest.uptime()],
  ['wall clock', (guest) => guest.wallClock()],
  ['load averages', (guest) => guest.loadAverage()],
  ['CPUs', (guest) => guest.cpus()],
  ['highest pid', (guest) => guest.pidMax()],
  ['groups of a process', (guest) => guest.ngroupsMax()],
  ['limits, namespaces and I/O of processes', (guest) => guest.processResources()],
  ['CPU accounting', (guest) => guest.cpuAccounting()],
  ['CPU descriptions', (guest) => guest.cpuInfo()],
  ['interrupts', (guest) => guest.interrupts()],
  ['device numbers', (guest) => guest.deviceNumbers()],
  ['block devices', (guest) => guest.blockDevices()],
  ['swap areas', (guest) => guest.swaps()],
  ['counters of memory', (guest) => guest.vmCounters()],
  ['network devices', (guest) => [guest.netDevices(), guest.inet6Addresses()]],
  ['routes and neighbours', (guest) => [guest.routes(), guest.neighbours()]],
  ['TCP and UDP sockets', (guest) => [guest.tcpSockets(), guest.udpSockets(), guest.udpLiteSockets()]],
  [
    'other sockets',
    (guest) => [guest.rawSockets(), guest.unixSockets(), guest.netlinkSockets(), guest.packetSockets()],
  ],
];

/** Asks a guest everything, and says what it cannot tell. */
export function checkAnswers(guest: Guest): AnswerCheck[] {
  return answers.map(([answer, ask]) => {
    try {
      ask(guest);
      return { answer, problem: undefined };
    } catch (error) {
      if (!(error instanceof OuaError)) throw error;
      return { answer, problem: error.message };
    }
  });
}
