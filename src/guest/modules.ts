import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent, listEntries } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';
import type { KernelModule } from './guest.js';

/** What refcnt is when nobody uses the module: MODULE_REF_BASE, `kernel/module/internal.h`. */
const MODULE_REF_BASE = 1;

/** Taints that modules carry, by bit, with their letters: taint_flags[], `kernel/panic.c`. */
const taintLetters: readonly (readonly [bit: number, letter: string])[] = [
  [0, 'P'],
  [10, 'C'],
  [12, 'O'],
  [13, 'E'],
  [15, 'K'],
  [16, 'X'],
  [18, 'N'],
  [19, 'J'],
];

type Module = StructView<'module'>;

const states: readonly (readonly [enumerator: string, state: KernelModule['state']])[] = [
  ['MODULE_STATE_LIVE', 'Live'],
  ['MODULE_STATE_COMING', 'Loading'],
  ['MODULE_STATE_GOING', 'Unloading'],
];

/** Loaded modules in the order of `/proc/modules`: the newest first. Modules that are not formed yet are not shown there. */
export function readModules(kernel: Kernel): KernelModule[] {
  const modules: KernelModule[] = [];
  for (const link of listEntries(kernel, kernel.symbol('modules'), 'modules')) {
    const module = kernel.container('module', 'list', link);
    const value = module.uint('state');
    if (value === kernel.enumerator('MODULE_STATE_UNFORMED')) continue;
    const state = states.find(([enumerator]) => kernel.enumerator(enumerator) === value)?.[1];
    if (!state) throw inconsistent(`the module at ${hex(module.address)} is in the unknown state ${value}`);
    modules.push({
      name: module.text('name'),
      ...readPlacement(kernel, module),
      refcount: module.int('refcnt') - MODULE_REF_BASE,
      usedBy: readUsers(kernel, module),
      state,
      taints: taints(module.uint('taints'), state),
    });
  }
  return modules;
}

function readPlacement(kernel: Kernel, module: Module): Pick<KernelModule, 'size' | 'address'> {
  if (!module.has('mem'))
    return {
      size: module.uint('core_size') + module.uint('init_size'),
      address: module.pointer('core_base'),
    };
  const stride = kernel.layout('module_memory').size;
  const count = Math.floor(module.raw('mem').length / stride);
  let size = 0;
  let address = 0n;
  for (let index = 0; index < count; index++) {
    const memory = kernel.view('module_memory', module.at('mem') + BigInt(index * stride));
    size += memory.uint('size');
    // MOD_TEXT is the first
    if (index === 0) address = memory.pointer('base');
  }
  return { size, address };
}

/** Modules that use this one, as print_unload_info() lists them. */
function readUsers(kernel: Kernel, module: Module): string[] {
  const users: string[] = [];
  for (const link of listEntries(
    kernel,
    module.at('source_list'),
    `users of the module ${module.text('name')}`,
  )) {
    const use = kernel.container('module_use', 'source_list', link);
    users.push(kernel.view('module', use.pointer('source')).text('name'));
  }
  if (module.has('exit') && module.pointer('init') !== 0n && module.pointer('exit') === 0n)
    users.push('[permanent]');
  return users;
}

/** module_flags(): taints, then `-` for one that goes and `+` for one that comes. */
function taints(bits: number, state: KernelModule['state']): string {
  const letters = taintLetters.filter(([bit]) => (bits >>> bit) & 1).map(([, letter]) => letter);
  if (state === 'Unloading') letters.push('-');
  if (state === 'Loading') letters.push('+');
  return letters.join('');
}
