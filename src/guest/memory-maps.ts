import { OuaError } from '../base/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent, maxEntries } from '../kernel/lists.js';
import { mapleEntries } from '../kernel/maple-tree.js';
import type { StructView } from '../kernel/struct-view.js';
import { deviceNumber } from './files.js';
import type { MemoryMap } from './guest.js';
import type { PathNames } from './path-names.js';
import { memoryOf, type Task } from './tasks.js';

type Mm = StructView<'mm_struct'>;
type Area = StructView<'vm_area_struct'>;

const VM_READ = 0x1;
const VM_WRITE = 0x2;
const VM_EXEC = 0x4;
const VM_MAYSHARE = 0x80;
const maxAnonName = 80;

/**
 * A process's mappings in ascending order, as `/proc/<pid>/maps` lists them (show_map_vma, fs/proc/task_mmu.c).
 * Undefined without memory of its own, when a file among them has a name that we cannot tell, and when they contradict
 * themselves.
 */
export function readMemoryMaps(names: PathNames, task: Task): MemoryMap[] | undefined {
  try {
    return readAreas(names, task);
  } catch (error) {
    // Suspended in the middle of an exec or mmap: that is one process's, and no reason to refuse all others.
    if (error instanceof OuaError && error.code === 'GUEST_INCONSISTENT') return undefined;
    throw error;
  }
}

/** @throws OuaError `GUEST_INCONSISTENT` when areas overlap, are not this process's, or are not as many as it counts */
function readAreas(names: PathNames, task: Task): MemoryMap[] | undefined {
  const { kernel } = names;
  const mm = memoryOf(kernel, task);
  if (!mm) return undefined;
  const maps: MemoryMap[] = [];
  let end = 0n;
  for (const area of areas(kernel, mm)) {
    const [start, stop] = [area.u64('vm_start'), area.u64('vm_end')];
    if (area.pointer('vm_mm') !== mm.address || start < end || stop <= start)
      throw inconsistent(`the memory area at ${hex(area.address)} does not belong where it is`);
    end = stop;
    const file = area.pointer('vm_file');
    const backing = file === 0n ? anonymous(kernel, mm, area) : ofFile(names, area, file);
    if (!backing) return undefined;
    maps.push({ start, end: stop, access: accessOf(area), ...backing });
  }
  if (maps.length !== mm.int('map_count'))
    throw inconsistent(
      `the mm_struct at ${hex(mm.address)} counts ${mm.int('map_count')} areas and has ${maps.length}`,
    );
  return [...maps, ...gateArea(kernel, mm)];
}

/** By the list of 6.0 and before, or the tree. */
function* areas(kernel: Kernel, mm: Mm): Generator<Area> {
  const what = `memory areas of the mm_struct at ${hex(mm.address)}`;
  if (mm.has('mm_mt')) {
    for (const { first, last, entry } of mapleEntries(kernel, mm.at('mm_mt'), what)) {
      const area = kernel.view('vm_area_struct', entry);
      if (area.u64('vm_start') !== first || area.u64('vm_end') !== last + 1n)
        throw inconsistent(`the memory area at ${hex(entry)} is not in its place`);
      yield area;
    }
    return;
  }
  let count = 0;
  for (let at = mm.pointer('mmap'); at !== 0n;) {
    if (++count > maxEntries) throw inconsistent(`the list of ${what} does not end`);
    const area = kernel.view('vm_area_struct', at);
    yield area;
    at = area.pointer('vm_next');
  }
}

function accessOf(area: Area): string {
  const flags = area.uint('vm_flags');
  const letter = (flag: number, yes: string, no = '-') => (flags & flag ? yes : no);
  return `${letter(VM_READ, 'r')}${letter(VM_WRITE, 'w')}${letter(VM_EXEC, 'x')}${letter(VM_MAYSHARE, 's', 'p')}`;
}

type Backing = Pick<MemoryMap, 'offset' | 'device' | 'inode' | 'name'>;

function anonymous(kernel: Kernel, mm: Mm, area: Area): Backing {
  const name = purpose(kernel, mm, area);
  return { offset: 0n, device: deviceNumber(0), inode: 0n, ...(name === undefined ? {} : { name }) };
}

function ofFile(names: PathNames, area: Area, file: bigint): Backing | undefined {
  const { kernel } = names;
  const inode = kernel.view('inode', kernel.view('file', file).pointer('f_inode'));
  // In some kernels the file's own tree of areas is where others have the name.
  const named = area.has('anon_name') && area.at('anon_name') !== area.at('shared');
  const name = (named ? givenName(kernel, area, 'anon_shmem') : undefined) ?? names.ofFile(file);
  if (name === undefined) return undefined;
  return {
    offset: BigInt.asUintN(64, area.u64('vm_pgoff') * BigInt(kernel.pageSize)),
    device: deviceNumber(kernel.view('super_block', inode.pointer('i_sb')).uint('s_dev')),
    inode: inode.u64('i_ino'),
    name,
  };
}

/** What an area without a file is for. */
function purpose(kernel: Kernel, mm: Mm, area: Area): string | undefined {
  const operations = area.pointer('vm_ops');
  if (operations !== 0n && operations === kernel.find('special_mapping_vmops'))
    return kernel.text(kernel.view('vm_special_mapping', area.pointer('vm_private_data')).pointer('name'));
  const [start, end] = [area.u64('vm_start'), area.u64('vm_end')];
  if (start < mm.u64('brk') && end > mm.u64('start_brk')) return '[heap]';
  const stack = mm.u64('start_stack');
  if (start <= stack && end >= stack) return '[stack]';
  return givenName(kernel, area, 'anon');
}

/** What the program itself calls it: PR_SET_VMA_ANON_NAME, prctl(2). */
function givenName(kernel: Kernel, area: Area, kind: string): string | undefined {
  if (!area.has('anon_name')) return undefined;
  const name = area.pointer('anon_name');
  if (name === 0n) return undefined;
  return `[${kind}:${kernel.text(name + BigInt(kernel.offset('anon_vma_name', 'name')), maxAnonName)}]`;
}

/** VSYSCALL_NONE of arch/x86/entry/vsyscall/vsyscall_64.c, and MM_CONTEXT_HAS_VSYSCALL of asm/mmu.h. */
const VSYSCALL_NONE = 2;
const HAS_VSYSCALL = 2;

/** The page that is in every 64-bit process and in no process's list: get_gate_vma(). */
function gateArea(kernel: Kernel, mm: Mm): MemoryMap[] {
  const [mode, address] = [kernel.find('vsyscall_mode'), kernel.find('gate_vma')];
  if (mode === undefined || address === undefined || kernel.u32(mode) === VSYSCALL_NONE) return [];
  const shown = mm.has('context_flags')
    ? (mm.uint('context_flags') & HAS_VSYSCALL) !== 0
    : mm.has('ia32_compat') && mm.uint('ia32_compat') === 0;
  if (!shown) return [];
  const gate = kernel.view('vm_area_struct', address);
  return [
    {
      start: gate.u64('vm_start'),
      end: gate.u64('vm_end'),
      access: accessOf(gate),
      offset: 0n,
      device: deviceNumber(0),
      inode: 0n,
      name: '[vsyscall]',
    },
  ];
}
