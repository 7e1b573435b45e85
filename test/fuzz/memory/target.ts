import { rootOf } from '../../../src/guest/paths.js';
import { findTask, threadGroups } from '../../../src/guest/tasks.js';
import type { Kernel } from '../../../src/kernel/kernel.js';
import type { StructName } from '../../../src/kernel/layout.js';
import { listEntries } from '../../../src/kernel/lists.js';
import { kallsymsAt } from '../../../src/kernel/locate.js';
import { openKernel } from '../../../src/kernel/open.js';
import { X86Paging } from '../../../src/kernel/paging-x86-64.js';
import type { Profile } from '../../../src/kernel/profile.js';
import type { StructView } from '../../../src/kernel/struct-view.js';
import type { PhysicalMemory } from '../../../src/memory/memory.js';
import { pageSize, type OverlayMemory } from './overlay.js';
import { SecondReader, type Anchor } from './second-reader.js';

/** A struct of the undamaged guest that an answer is read from. */
export interface TargetStruct {
  readonly name: string;
  readonly address: bigint;
  /** The members that are read: bytes from the start, and bytes. */
  readonly members: readonly (readonly [offset: number, size: number])[];
  readonly size: number;
}

/** Physical memory from `start` to before `end`. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

/** An undamaged image, and what there is in it to aim at. */
export interface Target {
  readonly memory: PhysicalMemory;
  readonly profile: Profile;
  readonly anchor: Anchor;
  readonly banner: string;
  /** By name of the struct, so that each kind is as likely. */
  readonly structs: ReadonlyMap<string, readonly TargetStruct[]>;
  /** Addresses of the links of each ring, its head first. */
  readonly rings: readonly (readonly bigint[])[];
  /** Variables that an answer begins at: addresses. */
  readonly variables: readonly bigint[];
  /** The kernel's image, its read-only data with the symbol table, and its type information. */
  readonly image: Place;
  readonly symbols: Place;
  readonly types: Place;
  readonly physical: (address: bigint) => number;
  /** Changes bytes at a kernel-virtual address. */
  readonly write: (image: OverlayMemory, address: bigint, bytes: Buffer) => void;
}

const aimedVariables = [
  ...['init_task', 'modules', 'init_uts_ns', 'super_blocks', 'file_systems', 'saved_command_line'],
  ...['vmcoreinfo_data', 'vmcoreinfo_size', 'nr_cpu_ids', '__per_cpu_offset', '__cpu_possible_mask'],
  ...['sysctl_table_root', 'tk_core', 'node_data', 'blockdev_superblock', 'linux_banner', '__start_notes'],
];

/** Takes stock of an image. Aiming is all that our own reader does here: it judges nothing. */
export function takeAim(memory: PhysicalMemory): Target {
  const kernel = openKernel(memory);
  const { location, profile } = kernel;
  const { linkText, inImage } = location.architecture;
  const kallsyms = kallsymsAt(memory, location.banner)?.kallsyms;
  if (!(location.paging instanceof X86Paging)) throw new Error('the guest to aim at is no x86-64 one');
  const physical = (address: bigint) => {
    const found = location.space.translate(address);
    if (found === undefined) throw new Error(`nothing is mapped at 0x${address.toString(16)}`);
    return found;
  };
  const symbol = (name: string) => {
    const address = kallsyms?.address(name);
    if (address === undefined) throw new Error(`the kernel has no symbol ${name}`);
    return address;
  };
  const image = { start: physical(linkText + location.shift), end: physical(symbol('_end') - 1n) + 1 };
  return {
    memory,
    profile,
    anchor: {
      root: location.root,
      levels: location.paging.levels,
      shift: location.shift,
      symbols: profile.symbols,
      enums: profile.enums,
      structs: profile.structs,
    },
    banner: location.banner.banner,
    structs: structsOf(kernel),
    rings: ringsOf(kernel),
    variables: aimedVariables.flatMap((name) => kernel.find(name) ?? []).filter(inImage),
    image,
    symbols: { start: location.banner.physical, end: physical(symbol('__end_rodata') - 1n) + 1 },
    types: { start: physical(symbol('__start_BTF')), end: physical(symbol('__stop_BTF') - 1n) + 1 },
    physical,
    write: (overlay, address, bytes) => {
      for (let done = 0; done < bytes.length;) {
        const at = address + BigInt(done);
        const count = Math.min(bytes.length - done, pageSize - Number(at & 0xfffn));
        overlay.write(physical(at), bytes.subarray(done, done + count));
        done += count;
      }
    },
  };
}

/** The physical addresses of the page-table entries that an address goes through. */
export function entriesOf({ memory, anchor }: Target, address: bigint): readonly number[] {
  return new SecondReader(memory, anchor).walk(address).entries;
}

function structsOf(kernel: Kernel): Map<string, TargetStruct[]> {
  const found = new Map<string, Map<bigint, TargetStruct>>();
  const add = <S extends StructName>(name: S, address: bigint): StructView<S> | undefined => {
    if (address === 0n) return undefined;
    const { members, size } = kernel.layout(name);
    const of = found.get(name) ?? new Map<bigint, TargetStruct>();
    found.set(
      name,
      of.set(address, {
        name,
        address,
        members: Object.values(members).map(([offset, length]) => [offset, length] as const),
        size,
      }),
    );
    return kernel.view(name, address);
  };
  const addDentries = (address: bigint) => {
    for (let at = address, before = 0n; at !== before;) {
      before = at;
      at = add('dentry', at)?.pointer('d_parent') ?? at;
    }
  };
  add('task_struct', kernel.symbol('init_task'));
  for (const task of threadGroups(kernel)) {
    add('task_struct', task.address);
    add('signal_struct', task.pointer('signal'));
    add('sighand_struct', task.pointer('sighand'));
    const cred = add('cred', task.pointer('real_cred'));
    if (cred) add('group_info', cred.pointer('group_info'));
    add('mm_struct', task.pointer('mm'));
    add('fs_struct', task.pointer('fs'));
    add('files_struct', task.pointer('files'));
    add('nsproxy', task.pointer('nsproxy'));
  }
  for (const link of listEntries(kernel, kernel.symbol('modules'), 'modules')) {
    const module = kernel.container('module', 'list', link);
    add('module', module.address);
    for (const use of listEntries(kernel, module.at('source_list'), 'users'))
      add('module_use', use - BigInt(kernel.offset('module_use', 'source_list')));
  }
  const init = findTask(kernel, 1);
  if (init) {
    addDentries(rootOf(kernel, init).dentry);
    const namespace = kernel.view('nsproxy', init.pointer('nsproxy')).pointer('mnt_ns');
    for (const link of mountLinks(kernel, namespace)) {
      const mount = kernel.container('mount', 'mnt_list', link);
      const vfs = kernel.view('vfsmount', mount.at('mnt'));
      add('mount', mount.address);
      add('vfsmount', vfs.address);
      addDentries(mount.pointer('mnt_mountpoint'));
      const superBlock = add('super_block', vfs.pointer('mnt_sb'));
      if (superBlock) add('file_system_type', superBlock.pointer('s_type'));
    }
  }
  return new Map([...found].map(([name, structs]) => [name, [...structs.values()]]));
}

function ringsOf(kernel: Kernel): bigint[][] {
  const ring = (head: bigint) => [head, ...listEntries(kernel, head, 'a ring to aim at')];
  const init = findTask(kernel, 1);
  const namespace = init && kernel.view('nsproxy', init.pointer('nsproxy')).pointer('mnt_ns');
  return [
    ring(kernel.view('task_struct', kernel.symbol('init_task')).at('tasks')),
    ring(kernel.symbol('modules')),
    ring(kernel.symbol('super_blocks')),
    ...(namespace === undefined ? [] : [ring(kernel.view('mnt_namespace', namespace).at('list'))]),
  ];
}

function mountLinks(kernel: Kernel, namespace: bigint): Iterable<bigint> {
  return listEntries(kernel, kernel.view('mnt_namespace', namespace).at('list'), 'mounts');
}
