import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent, listEntries } from '../kernel/lists.js';
import type { optionalSymbols } from '../kernel/symbols.js';

/** A parameter as `/sys/module/<module>/parameters/<name>` shows it. */
export interface ModuleParameter {
  /** A loaded module, or one that is part of the kernel. */
  readonly module: string;
  readonly name: string;
  /** Permission bits of the file. */
  readonly mode: number;
  /** What the file holds: a line, and nothing of an empty list. */
  readonly text: string;
}

type OptionalSymbol = (typeof optionalSymbols)[number];
/** The value of a parameter whose variable is at an address. */
type Reader = (kernel: Kernel, address: bigint) => string;

/** Parameters of one module; the kernel itself has some 400. */
const maxParameters = 8192;
const maxElements = 1024;
const maxName = 256;

const unsigned =
  (bytes: number): Reader =>
  (kernel, address) =>
    String(kernel.read(address, 8).readBigUInt64LE(0) & ((1n << BigInt(8 * bytes)) - 1n));
const signed =
  (bytes: number): Reader =>
  (kernel, address) =>
    String(BigInt.asIntN(8 * bytes, kernel.read(address, 8).readBigUInt64LE(0)));
const yesNo =
  (yes: boolean): Reader =>
  (kernel, address) =>
    (kernel.read(address, 1)[0] !== 0) === yes ? 'Y' : 'N';

/** How each kind of parameter is printed, by its `struct kernel_param_ops`: `kernel/params.c`. */
const readers: readonly (readonly [operations: OptionalSymbol, read: Reader])[] = [
  ['param_ops_bool', yesNo(true)],
  ['param_ops_bool_enable_only', yesNo(true)],
  ['param_ops_invbool', yesNo(false)],
  ['param_ops_bint', signed(4)],
  ['param_ops_byte', unsigned(1)],
  ['param_ops_short', signed(2)],
  ['param_ops_ushort', unsigned(2)],
  ['param_ops_int', signed(4)],
  ['param_ops_uint', unsigned(4)],
  ['param_ops_long', signed(8)],
  ['param_ops_ulong', unsigned(8)],
  ['param_ops_ullong', unsigned(8)],
  ['param_ops_hexint', (kernel, address) => `0x${kernel.u32(address).toString(16).padStart(6, '0')}`],
  [
    'param_ops_charp',
    (kernel, address) => {
      const text = kernel.pointer(address);
      return text === 0n ? '(null)' : kernel.text(text);
    },
  ],
  [
    'param_ops_string',
    (kernel, address) => kernel.text(kernel.view('kparam_string', address).pointer('string')),
  ],
];

/**
 * The parameters of the loaded modules and of those that are part of the kernel, as far as they have a file. One that
 * prints itself by a function of its own module is left out: there is no telling what it would print.
 */
export function readModuleParameters(kernel: Kernel): ModuleParameter[] {
  const kinds = new Map<bigint, Reader>();
  for (const [operations, read] of readers) {
    const address = kernel.find(operations);
    if (address !== undefined) kinds.set(address, read);
  }
  const found: ModuleParameter[] = [];
  const add = (module: string, address: bigint, count: number) => {
    if (count > maxParameters) throw inconsistent(`${module} claims ${count} parameters`);
    const size = BigInt(kernel.layout('kernel_param').size);
    for (let index = 0n; index < BigInt(count); index++) {
      const parameter = readParameter(kernel, address + index * size, module, kinds);
      if (parameter) found.push(parameter);
    }
  };
  for (const link of listEntries(kernel, kernel.symbol('modules'), 'modules')) {
    const module = kernel.container('module', 'list', link);
    if (module.uint('num_kp') > 0) add(module.text('name'), module.pointer('kp'), module.uint('num_kp'));
  }
  const start = kernel.symbol('__start___param');
  const bytes = Number(kernel.symbol('__stop___param') - start);
  add('kernel', start, Math.floor(bytes / kernel.layout('kernel_param').size));
  return found;
}

function readParameter(
  kernel: Kernel,
  address: bigint,
  module: string,
  kinds: ReadonlyMap<bigint, Reader>,
): ModuleParameter | undefined {
  const parameter = kernel.view('kernel_param', address);
  const mode = parameter.uint('perm') & 0o777;
  if (mode === 0) return undefined;
  const text = textOf(kernel, parameter.pointer('ops'), parameter.pointer('arg'), kinds);
  if (text === undefined) return undefined;
  // What is part of the kernel has its module in front: param_sysfs_builtin().
  const name = kernel.text(parameter.pointer('name'), maxName);
  const dot = module === 'kernel' ? name.indexOf('.') : -1;
  return dot < 0
    ? { module, name, mode, text }
    : { module: name.slice(0, dot), name: name.slice(dot + 1), mode, text };
}

function textOf(
  kernel: Kernel,
  operations: bigint,
  address: bigint,
  kinds: ReadonlyMap<bigint, Reader>,
): string | undefined {
  const read = kinds.get(operations);
  if (read) return `${read(kernel, address)}\n`;
  if (operations !== kernel.find('param_array_ops')) return undefined;
  const array = kernel.view('kparam_array', address);
  const element = kinds.get(array.pointer('ops'));
  const count = array.pointer('num') === 0n ? array.uint('max') : kernel.u32(array.pointer('num'));
  if (count > array.uint('max') || count > maxElements)
    throw inconsistent(`the list of parameters at ${hex(address)} has ${count} entries`);
  const size = BigInt(array.uint('elemsize'));
  if (!element) return undefined;
  const elements = Array.from({ length: count }, (_, index) =>
    element(kernel, array.pointer('elem') + BigInt(index) * size),
  );
  return count === 0 ? '' : `${elements.join(',')}\n`;
}
