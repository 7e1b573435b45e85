import type { Kernel } from './kernel.js';
import { hex } from './lists.js';
import { findBuildId } from './build-id.js';
import { readVmcoreInfo, vmcoreNumber } from './vmcoreinfo.js';

const maxNotes = 64 * 1024;
/** Symbols whose addresses, with KASLR, every kernel writes down (`kernel/crash_core.c`, `vmcore_info.c`). */
const namedByVmcoreInfo = ['init_uts_ns', 'swapper_pg_dir'];

/**
 * What speaks against a kernel being the one that its profile describes and the one that runs: things that
 * every running kernel has in the same way. Empty when nothing does.
 */
export function contradictions(kernel: Kernel): string[] {
  return checks.flatMap((check) => check(kernel) ?? []);
}

const checks: readonly ((kernel: Kernel) => string | undefined)[] = [
  function banner(kernel) {
    return kernel.profile.banner === kernel.banner ? undefined : 'the banner is another one';
  },
  function buildId(kernel) {
    const start = kernel.find('__start_notes');
    const end = kernel.find('__stop_notes');
    const wanted = kernel.profile.buildId;
    if (wanted === null || start === undefined || end === undefined) return undefined;
    const length = Number(end - start);
    const found = length > 0 && length <= maxNotes ? findBuildId(kernel.read(start, length)) : undefined;
    return found === wanted ? undefined : `the build id is ${found ?? 'missing'} and not ${wanted}`;
  },
  function release(kernel) {
    const uts = kernel.view(
      'new_utsname',
      kernel.view('uts_namespace', kernel.symbol('init_uts_ns')).at('name'),
    );
    const found = uts.text('release');
    return found === kernel.release
      ? undefined
      : `init_uts_ns says release '${found}', the banner says '${kernel.release}'`;
  },
  function initTask(kernel) {
    const task = kernel.view('task_struct', kernel.symbol('init_task'));
    if (task.int('pid') !== 0) return `init_task has the pid ${task.int('pid')}`;
    if (!task.text('comm').startsWith('swapper')) return `init_task is named '${task.text('comm')}'`;
    return undefined;
  },
  function taskList(kernel) {
    const head = kernel.view('task_struct', kernel.symbol('init_task')).at('tasks');
    const next = kernel.pointer(head);
    const previous = kernel.pointer(head + 8n);
    if (kernel.pointer(next + 8n) !== head || kernel.pointer(previous) !== head)
      return `the task list is torn at init_task (${hex(head)})`;
    return undefined;
  },
  function vmcoreInfo(kernel) {
    const info = readVmcoreInfo(kernel);
    if (!info) return undefined;
    if (info.release !== undefined && info.release !== kernel.release)
      return `VMCOREINFO says release '${info.release}', the banner says '${kernel.release}'`;
    const { architecture, shift } = kernel.location;
    if (architecture.name === 'x86-64' && info.kernelOffset !== undefined && info.kernelOffset !== shift)
      return `VMCOREINFO says KERNELOFFSET=${info.kernelOffset.toString(16)}, the page tables say ${shift.toString(16)}`;
    for (const name of namedByVmcoreInfo) {
      const said = vmcoreNumber(info, `SYMBOL(${name})`);
      const found = kernel.find(name);
      if (said !== undefined && found !== undefined && said !== found)
        return `VMCOREINFO says ${name} is at ${hex(said)}, the page tables say ${hex(found)}`;
    }
    return undefined;
  },
];
