import type { Kernel } from '../kernel/kernel.js';
import { openKernel, type OpenKernelOptions } from '../kernel/open.js';
import { cpuIds, cpusIn } from '../kernel/percpu.js';
import type { PhysicalMemory } from '../memory/memory.js';
import { readCpuAccounting, type CpuAccounting } from './cpu-accounting.js';
import { readInterrupts, type Interrupts } from './interrupts.js';
import { readCpuInfo, type CpuInfo } from './cpu-info.js';
import { readDeviceNumbers, type DeviceNumbers } from './device-numbers.js';
import { readBlockDevices, type BlockDevice } from './block-devices.js';
import { readSwaps, type SwapArea } from './swaps.js';
import { readVmCounters, type VmCounters } from './vm-counters.js';
import { readRawSockets, readTcpSockets, readUdpSockets, type InetSocket } from './inet-sockets.js';
import {
  readNetlinkSockets,
  readPacketSockets,
  readUnixSockets,
  type NetlinkSocket,
  type PacketSocket,
  type UnixSocket,
} from './local-sockets.js';
import {
  readInet6Addresses,
  readNeighbours,
  readNetDevices,
  type Inet6Address,
  type Neighbour,
  type NetDevice,
} from './net-devices.js';
import { readResources, type ProcessResources } from './process-resources.js';
import { readRoutes, type Route } from './routes.js';
import { readFileLocks } from './file-locks.js';
import { readFileSystemTypes } from './filesystems.js';
import { MemoryFiles } from './file-tree.js';
import type {
  ByProcess,
  FileLock,
  FileSystemType,
  Guest,
  KernelModule,
  MemInfo,
  MemoryMap,
  Mount,
  OpenFile,
  Process,
  Thread,
  UnwrittenFile,
  Uts,
} from './guest.js';
import type { GuestFiles } from './guest-files.js';
import { readKernelLog, type LogRecord } from './kernel-log.js';
import { readLastPid, readNgroupsMax, readPidMax } from './limits.js';
import { readMemInfo } from './meminfo.js';
import { readModules } from './modules.js';
import { readMemoryMaps } from './memory-maps.js';
import { readModuleParameters, type ModuleParameter } from './module-parameters.js';
import { readMounts, readProcessMounts } from './mounts.js';
import { readOpenFiles } from './open-files.js';
import { eachProcess, readProcesses } from './processes.js';
import { reachableMounts } from './reachable-mounts.js';
import { readSysctls } from './sysctls.js';
import { readThreads } from './threads.js';
import { readLoadAverage, readLoads, readUptime, readWallClock } from './time.js';
import { readUnwrittenFiles } from './unwritten.js';
import { readUts } from './uts.js';
import { uuidText } from './uuid.js';

/** COMMAND_LINE_SIZE of x86 is 2048; boot configuration can make it longer. */
const maxCommandLine = 64 * 1024;

/**
 * Opens the guest in a memory image. Without a profile it is derived from the guest. The memory is closed with the
 * guest; when opening fails it stays the caller's.
 *
 * @throws OuaError as {@link openKernel}
 */
export function openGuest(memory: PhysicalMemory, options: OpenKernelOptions = {}): Guest {
  return new MemoryGuest(openKernel(memory, options));
}

/** Every answer is read when it is first asked for, and kept. */
class MemoryGuest implements Guest {
  readonly #kernel: Kernel;
  readonly #answers = new Map<string, unknown>();
  readonly files: GuestFiles;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.files = new MemoryFiles(kernel);
  }

  get banner(): string {
    return this.#kernel.banner;
  }

  get uts(): Uts {
    return this.#once('uts', readUts);
  }

  processes(): readonly Process[] {
    return this.#once('processes', readProcesses);
  }

  memoryMaps(): ByProcess<readonly MemoryMap[]> {
    return this.#once('memoryMaps', (kernel) => eachProcess(kernel, readMemoryMaps));
  }

  processResources(): ByProcess<ProcessResources> {
    return this.#once('processResources', (kernel) => eachProcess(kernel, readResources));
  }

  threads(): ByProcess<readonly Thread[]> {
    return this.#once('threads', (kernel) => readThreads(kernel, this.processes()));
  }

  processMounts(): ByProcess<readonly Mount[]> {
    return this.#once('processMounts', readProcessMounts);
  }

  openFiles(): ByProcess<readonly OpenFile[]> {
    return this.#once('openFiles', (kernel) => eachProcess(kernel, readOpenFiles));
  }

  fileSystemTypes(): readonly FileSystemType[] {
    return this.#once('fileSystemTypes', readFileSystemTypes);
  }

  modules(): readonly KernelModule[] {
    return this.#once('modules', readModules);
  }

  moduleParameters(): readonly ModuleParameter[] {
    return this.#once('moduleParameters', readModuleParameters);
  }

  kernelLog(): readonly LogRecord[] {
    return this.#once('kernelLog', readKernelLog);
  }

  mounts(): readonly Mount[] {
    return this.#once('mounts', readMounts);
  }

  reachableMounts(): readonly Mount[] {
    return this.#once('reachableMounts', () => reachableMounts(this.mounts()));
  }

  memInfo(): MemInfo {
    return this.#once('memInfo', readMemInfo);
  }

  fileLocks(): readonly FileLock[] {
    return this.#once('fileLocks', (kernel) => readFileLocks(kernel, this.reachableMounts()));
  }

  unwrittenFiles(): readonly UnwrittenFile[] {
    return this.#once('unwrittenFiles', (kernel) => readUnwrittenFiles(kernel, this.reachableMounts()));
  }

  commandLine(): string {
    const kernel = this.#kernel;
    return kernel.text(kernel.pointer(kernel.symbol('saved_command_line')), maxCommandLine);
  }

  bootId(): string | undefined {
    const bytes = this.#kernel.read(this.#kernel.symbol('sysctl_bootid'), 16);
    // proc_do_uuidText() takes a zero here for "not made yet"
    return bytes[8] === 0 ? undefined : uuidText(bytes);
  }

  uptime(): { readonly up: number; readonly idle: number } {
    return this.#once('uptime', readUptime);
  }

  wallClock(): number {
    return readWallClock(this.#kernel);
  }

  loadAverage(): readonly [number, number, number] {
    return readLoadAverage(this.#kernel);
  }

  loads(): readonly [number, number, number] {
    return readLoads(this.#kernel);
  }

  lastPid(): number {
    return readLastPid(this.#kernel);
  }

  cpus(): { readonly online: number; readonly present: number } {
    return {
      online: cpusIn(this.#kernel, '__cpu_online_mask').length,
      present: cpusIn(this.#kernel, '__cpu_present_mask').length,
    };
  }

  cpuNumbers(): { readonly online: readonly number[]; readonly ids: number } {
    return { online: cpusIn(this.#kernel, '__cpu_online_mask'), ids: cpuIds(this.#kernel) };
  }

  pidMax(): number {
    return readPidMax(this.#kernel);
  }

  ngroupsMax(): number {
    return readNgroupsMax(this.#kernel);
  }

  sysctls(): ReadonlyMap<string, string> {
    return this.#once('sysctls', readSysctls);
  }

  cpuAccounting(): CpuAccounting {
    return this.#once('cpuAccounting', readCpuAccounting);
  }

  interrupts(): Interrupts {
    return this.#once('interrupts', readInterrupts);
  }

  cpuInfo(): readonly CpuInfo[] {
    return this.#once('cpuInfo', readCpuInfo);
  }

  deviceNumbers(): DeviceNumbers {
    return this.#once('deviceNumbers', readDeviceNumbers);
  }

  blockDevices(): readonly BlockDevice[] {
    return this.#once('blockDevices', readBlockDevices);
  }

  swaps(): readonly SwapArea[] {
    return this.#once('swaps', readSwaps);
  }

  vmCounters(): VmCounters {
    return this.#once('vmCounters', readVmCounters);
  }

  netDevices(): readonly NetDevice[] {
    return this.#once('netDevices', readNetDevices);
  }

  inet6Addresses(): readonly Inet6Address[] {
    return this.#once('inet6Addresses', readInet6Addresses);
  }

  neighbours(): readonly Neighbour[] {
    return this.#once('neighbours', readNeighbours);
  }

  routes(): readonly Route[] {
    return this.#once('routes', readRoutes);
  }

  tcpSockets(): readonly InetSocket[] {
    return this.#once('tcpSockets', readTcpSockets);
  }

  udpSockets(): readonly InetSocket[] {
    return this.#once('udpSockets', (kernel) => readUdpSockets(kernel));
  }

  udpLiteSockets(): readonly InetSocket[] {
    return this.#once('udpLiteSockets', (kernel) => readUdpSockets(kernel, true));
  }

  rawSockets(): readonly InetSocket[] {
    return this.#once('rawSockets', readRawSockets);
  }

  unixSockets(): readonly UnixSocket[] {
    return this.#once('unixSockets', readUnixSockets);
  }

  netlinkSockets(): readonly NetlinkSocket[] {
    return this.#once('netlinkSockets', readNetlinkSockets);
  }

  packetSockets(): readonly PacketSocket[] {
    return this.#once('packetSockets', readPacketSockets);
  }

  [Symbol.dispose](): void {
    this.#kernel.memory[Symbol.dispose]();
  }

  #once<T>(name: string, read: (kernel: Kernel) => T): T {
    if (!this.#answers.has(name)) {
      this.#kernel.resetBudget();
      this.#answers.set(name, read(this.#kernel));
    }
    return this.#answers.get(name) as T;
  }
}
