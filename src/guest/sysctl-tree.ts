import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent, maxEntries, treeNodes } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';

const S_IFMT = 0xf000;
const S_IFDIR = 0x4000;
const S_IFLNK = 0xa000;
const maxDepth = 16;

/** One file below `/proc/sys`. */
export interface SysctlEntry {
  /** Below `/proc/sys`, e.g. `kernel/pid_max`. */
  readonly path: string;
  readonly table: StructView<'ctl_table'>;
}

/**
 * Every sysctl that is registered: the tables of the kernel itself, and those of the initial network, user and
 * IPC namespaces, which hang in directories of their own (`fs/proc/proc_sysctl.c`).
 */
export function* sysctlEntries(kernel: Kernel): Generator<SysctlEntry> {
  const budget = { entries: maxEntries };
  for (const set of tableSets(kernel)) {
    const directory = kernel.view('ctl_table_set', set).at('dir');
    yield* directoryEntries(kernel, directory, '', 0, budget);
  }
}

/** Addresses of the `struct ctl_table_set`s of the initial namespaces. */
function tableSets(kernel: Kernel): bigint[] {
  const sets: bigint[] = [];
  const root = kernel.find('sysctl_table_root');
  const net = kernel.find('init_net');
  const user = kernel.find('init_user_ns');
  const ipc = kernel.find('init_ipc_ns');
  if (root !== undefined) sets.push(root + BigInt(kernel.offset('ctl_table_root', 'default_set')));
  if (net !== undefined) sets.push(net + BigInt(kernel.offset('net', 'sysctls')));
  if (user !== undefined && kernel.has('user_namespace', 'set'))
    sets.push(user + BigInt(kernel.offset('user_namespace', 'set')));
  for (const field of ['ipc_set', 'mq_set'] as const)
    if (ipc !== undefined && kernel.has('ipc_namespace', field))
      sets.push(ipc + BigInt(kernel.offset('ipc_namespace', field)));
  return sets;
}

function* directoryEntries(
  kernel: Kernel,
  directory: bigint,
  path: string,
  depth: number,
  budget: { entries: number },
): Generator<SysctlEntry> {
  if (depth > maxDepth) throw inconsistent(`the sysctl directory '${path}' at ${hex(directory)} is too deep`);
  const nodeSize = BigInt(kernel.layout('ctl_node').size);
  const tableSize = BigInt(kernel.layout('ctl_table').size);
  const tree = kernel.view('ctl_dir', directory).at('root');
  for (const link of treeNodes(kernel, tree, `sysctls in '${path}'`)) {
    if (--budget.entries < 0) throw inconsistent('the sysctl directories do not end');
    const node = kernel.container('ctl_node', 'node', link);
    const header = kernel.view('ctl_table_header', node.pointer('header'));
    // The nodes of a header are an array beside its table: the index is the same.
    const index = node.address - header.pointer('node');
    if (index < 0n || index % nodeSize !== 0n)
      throw inconsistent(`the sysctl node at ${hex(node.address)} is not one of its header's`);
    const table = kernel.view('ctl_table', header.pointer('ctl_table') + (index / nodeSize) * tableSize);
    const name = kernel.text(table.pointer('procname'), 256);
    const entryPath = path === '' ? name : `${path}/${name}`;
    const type = table.uint('mode') & S_IFMT;
    if (type === S_IFDIR) {
      const inner = header.address - BigInt(kernel.offset('ctl_dir', 'header'));
      yield* directoryEntries(kernel, inner, entryPath, depth + 1, budget);
      // A link leads to another namespace's directory, which is walked itself.
    } else if (type !== S_IFLNK) {
      yield { path: entryPath, table };
    }
  }
}
