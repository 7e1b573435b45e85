import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent } from '../kernel/lists.js';
import { mapleEntries } from '../kernel/maple-tree.js';
import { cpusIn, perCpuAddress } from '../kernel/percpu.js';
import type { ArchitectureName } from '../kernel/paging.js';
import type { StructView } from '../kernel/struct-view.js';
import { xarrayEntries } from '../kernel/xarray.js';
import { aarch64Interrupts } from './interrupts-aarch64.js';
import { x86Interrupts } from './interrupts-x86.js';

/** One line of `/proc/interrupts` that has a number. */
export interface Interrupt {
  readonly number: number;
  /** Counts on the CPUs that are online, and the sum over all possible ones. */
  readonly counts: readonly number[];
  readonly total: bigint;
  /** Whether `/proc/interrupts` has a line of it. */
  readonly shown: boolean;
  /** Of the chip; `-` for one without a name, `None` without a chip. */
  readonly chip: string;
  /** Whether the chip's driver prints that itself, in no column. */
  readonly ownText: boolean;
  /** The chip's own number, undefined outside of any domain. */
  readonly hardwareNumber: bigint | undefined;
  /** Where the architecture shows it (CONFIG_GENERIC_IRQ_SHOW_LEVEL): `Level` or `Edge`. */
  readonly trigger: 'Level' | 'Edge' | undefined;
  /** How it is handled, e.g. `edge`; empty when the kernel has no name for it. */
  readonly flow: string;
  /** Who handles it. */
  readonly actions: readonly string[];
}

/** A line with a name: the architecture's own. `counts` has one number for those that are not counted by CPU. */
export interface NamedInterrupt {
  readonly name: string;
  readonly counts: readonly (number | bigint)[];
  readonly description: string;
  /** Spaces before the description. */
  readonly gap: number;
}

/** What an architecture counts besides the interrupts with numbers. */
export interface OwnInterrupts {
  /** The lines behind those with numbers, of the CPUs that are online: arch_show_interrupts(). */
  readonly lines: (kernel: Kernel, online: readonly number[]) => NamedInterrupt[];
  /** What `/proc/stat` adds to the sum of all interrupts: arch_irq_stat_cpu() of these CPUs and arch_irq_stat(). */
  readonly sum: (kernel: Kernel, cpus: readonly number[]) => bigint;
}

/** What `/proc/interrupts` and the `intr` line of `/proc/stat` show. */
export interface Interrupts {
  readonly online: readonly number[];
  /** How many numbers there are: nr_irqs. */
  readonly limit: number;
  /** Columns of the numbers; of the chips' names, where they are as wide as the widest (seen in 7.2): irq_proc_constraints. */
  readonly numberWidth: number;
  readonly chipWidth: number | undefined;
  /** Those that are set up, by number. */
  readonly numbered: readonly Interrupt[];
  readonly named: readonly NamedInterrupt[];
}

type Descriptor = StructView<'irq_desc'>;

const maxNumbers = 1 << 20;
const maxActions = 256;
const maxName = 256;
/** IRQ_HIDDEN, `include/linux/irq.h`. */
const IRQ_HIDDEN = 1 << 20;
/** IRQD_LEVEL, `include/linux/irq.h`. */
const IRQD_LEVEL = 1 << 13;
const mostDigits = 10;

const architectures: Readonly<Record<ArchitectureName, OwnInterrupts & { readonly showsTrigger: boolean }>> =
  {
    'x86-64': { ...x86Interrupts, showsTrigger: false },
    aarch64: { ...aarch64Interrupts, showsTrigger: true },
  };

/** What the guest's architecture counts itself. */
export function ownInterrupts(kernel: Kernel): OwnInterrupts {
  return architectures[kernel.location.architecture.name];
}

export function readInterrupts(kernel: Kernel): Interrupts {
  const online = cpusIn(kernel, '__cpu_online_mask');
  const possible = cpusIn(kernel, '__cpu_possible_mask');
  const limit = kernel.u32(kernel.find('nr_irqs') ?? kernel.symbol('total_nr_irqs'));
  if (limit > maxNumbers) throw inconsistent(`the kernel claims ${limit} interrupts`);
  const numbered: Interrupt[] = [];
  for (const [number, address] of descriptors(kernel)) {
    const descriptor = kernel.view('irq_desc', address);
    if (descriptor.uint('irq') !== number || number >= limit)
      throw inconsistent(`the interrupt at ${hex(address)} is not number ${number}`);
    numbered.push(describe(kernel, descriptor, number, online, possible));
  }
  const named = ownInterrupts(kernel).lines(kernel, online);
  return { online, limit, ...widths(kernel, limit), numbered, named };
}

function widths(kernel: Kernel, limit: number): Pick<Interrupts, 'numberWidth' | 'chipWidth'> {
  const constraints = kernel.find('irq_proc_constraints');
  if (constraints === undefined) {
    let numberWidth = 3;
    for (let power = 1000; numberWidth < mostDigits && power <= limit; power *= 10) numberWidth++;
    return { numberWidth, chipWidth: undefined };
  }
  const known = kernel.view('irq_proc_constraints', constraints);
  const [numberWidth, chipWidth] = [known.uint('num_prec'), known.uint('chip_width')];
  if (numberWidth > mostDigits || chipWidth > maxName)
    throw inconsistent(`/proc/interrupts would have columns of ${numberWidth} and ${chipWidth}`);
  return { numberWidth, chipWidth };
}

/** A radix tree, which is an xarray; a maple tree since 6.5. */
function* descriptors(kernel: Kernel): Generator<[number: number, address: bigint]> {
  const radix = kernel.find('irq_desc_tree');
  if (radix !== undefined) {
    for (const { index, entry } of xarrayEntries(kernel, radix, 'interrupts')) yield [index, entry];
    return;
  }
  for (const { first, entry } of mapleEntries(kernel, kernel.symbol('sparse_irqs'), 'interrupts'))
    yield [Number(first), entry];
}

function describe(
  kernel: Kernel,
  descriptor: Descriptor,
  number: number,
  online: readonly number[],
  possible: readonly number[],
): Interrupt {
  const counter = descriptor.pointer('kstat_irqs');
  const count = (cpu: number) => (counter === 0n ? 0 : kernel.u32(perCpuAddress(kernel, counter, cpu)));
  const counts = online.map(count);
  const action = descriptor.pointer('action');
  const handled = action !== 0n && action !== kernel.find('chained_action');
  // Since its columns are constrained, what has no handler is not shown (irq_proc_update_valid).
  const counted = kernel.find('irq_proc_constraints') === undefined && counts.some((n) => n > 0);
  const shown = (descriptor.uint('status') & IRQ_HIDDEN) === 0 && (handled || counted);
  const name = descriptor.pointer('name');
  return {
    number,
    counts,
    total: possible.reduce((sum, cpu) => sum + BigInt(count(cpu)), 0n),
    shown,
    ...(shown ? chipName(kernel, descriptor) : { chip: '', ownText: false }),
    hardwareNumber: descriptor.pointer('domain') === 0n ? undefined : descriptor.u64('hwirq'),
    trigger: architectures[kernel.location.architecture.name].showsTrigger
      ? triggerOf(descriptor)
      : undefined,
    flow: name === 0n ? '' : kernel.text(name, maxName),
    actions: shown ? actionNames(kernel, action) : [],
  };
}

const triggerOf = (descriptor: Descriptor) => (descriptor.uint('state') & IRQD_LEVEL ? 'Level' : 'Edge');

function chipName(kernel: Kernel, descriptor: Descriptor): Pick<Interrupt, 'chip' | 'ownText'> {
  const address = descriptor.pointer('chip');
  if (address === 0n) return { chip: 'None', ownText: false };
  const chip = kernel.view('irq_chip', address);
  const print = chip.pointer('irq_print_chip');
  if (print !== 0n && print === kernel.find('gic_irq_print_chip'))
    return { chip: `GIC-${gicNumber(kernel, descriptor)}`, ownText: true };
  // What another driver's own function prints is not known: the name is what most of them begin with.
  const name = chip.pointer('name');
  return { chip: name === 0n ? '-' : kernel.text(name, maxName), ownText: false };
}

/** Which of the GICs it is: gic_irq_print_chip(), `drivers/irqchip/irq-gic.c`. */
function gicNumber(kernel: Kernel, descriptor: Descriptor): bigint {
  const distance = descriptor.pointer('chip_data') - kernel.symbol('gic_data');
  return distance / BigInt(kernel.layout('gic_chip_data').size);
}

function actionNames(kernel: Kernel, first: bigint): string[] {
  const names: string[] = [];
  for (let at = first; at !== 0n;) {
    if (names.length >= maxActions)
      throw inconsistent(`the actions of an interrupt at ${hex(first)} do not end`);
    const action = kernel.view('irqaction', at);
    const name = action.pointer('name');
    names.push(name === 0n ? '(null)' : kernel.text(name, maxName));
    at = action.pointer('next');
  }
  return names;
}
