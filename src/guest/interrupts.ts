import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent } from '../kernel/lists.js';
import { mapleEntries } from '../kernel/maple-tree.js';
import { cpusIn, perCpuAddress } from '../kernel/percpu.js';
import type { StructView } from '../kernel/struct-view.js';
import { xarrayEntries } from '../kernel/xarray.js';

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
  /** The chip's own number, undefined outside of any domain. */
  readonly hardwareNumber: bigint | undefined;
  /** How it is triggered, e.g. `edge`; empty when the kernel has no name for it. */
  readonly flow: string;
  /** Who handles it. */
  readonly actions: readonly string[];
}

/** A line with a name: the architecture's own. `counts` has one number for those that are not counted by CPU. */
export interface NamedInterrupt {
  readonly name: string;
  readonly counts: readonly number[];
  readonly description: string;
}

/** What `/proc/interrupts` and the `intr` line of `/proc/stat` show. */
export interface Interrupts {
  readonly online: readonly number[];
  /** How many numbers there are: nr_irqs. */
  readonly limit: number;
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

/**
 * @throws OuaError `KERNEL_UNSUPPORTED` when a chip prints its name itself: what it prints is not known
 */
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
  return { online, limit, numbered, named: namedInterrupts(kernel, online) };
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
  const shown = (descriptor.uint('status') & IRQ_HIDDEN) === 0 && (handled || counts.some((n) => n > 0));
  const name = descriptor.pointer('name');
  return {
    number,
    counts,
    total: possible.reduce((sum, cpu) => sum + BigInt(count(cpu)), 0n),
    shown,
    chip: shown ? chipName(kernel, descriptor.pointer('chip')) : '',
    hardwareNumber: descriptor.pointer('domain') === 0n ? undefined : descriptor.u64('hwirq'),
    flow: name === 0n ? '' : kernel.text(name, maxName),
    actions: shown ? actionNames(kernel, action) : [],
  };
}

function chipName(kernel: Kernel, address: bigint): string {
  if (address === 0n) return 'None';
  const chip = kernel.view('irq_chip', address);
  // What a driver's own function prints is not known: the name is what most of them begin with.
  const name = chip.pointer('name');
  return name === 0n ? '-' : kernel.text(name, maxName);
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

type Counter = Parameters<StructView<'irq_cpustat'>['has']>[0];

/** Vectors of hypervisors, `arch/x86/include/asm/irq_vectors.h`: shown when they are in use. */
const hypervisorCallback = 0xf3;
const reenlightenment = 0xee;
const hypervisorTimer = 0xed;
const postedMessage = 0xeb;

/** The lines behind the numbers, in their order: arch_show_interrupts(), `arch/x86/kernel/irq.c`. */
const ownCounters: readonly (readonly [
  name: string,
  counter: Counter | 'mce_exception_count' | 'mce_poll_count',
  description: string,
  vector?: number,
])[] = [
  ['NMI', '__nmi_count', 'Non-maskable interrupts'],
  ['LOC', 'apic_timer_irqs', 'Local timer interrupts'],
  ['SPU', 'irq_spurious_count', 'Spurious interrupts'],
  ['PMI', 'apic_perf_irqs', 'Performance monitoring interrupts'],
  ['IWI', 'apic_irq_work_irqs', 'IRQ work interrupts'],
  ['RTR', 'icr_read_retry_count', 'APIC ICR read retries'],
  ['RES', 'irq_resched_count', 'Rescheduling interrupts'],
  ['CAL', 'irq_call_count', 'Function call interrupts'],
  ['TLB', 'irq_tlb_count', 'TLB shootdowns'],
  ['TRM', 'irq_thermal_count', 'Thermal event interrupts'],
  ['THR', 'irq_threshold_count', 'Threshold APIC interrupts'],
  ['DFR', 'irq_deferred_error_count', 'Deferred Error APIC interrupts'],
  ['MCE', 'mce_exception_count', 'Machine check exceptions'],
  ['MCP', 'mce_poll_count', 'Machine check polls'],
  ['HYP', 'irq_hv_callback_count', 'Hypervisor callback interrupts', hypervisorCallback],
  ['HRE', 'irq_hv_reenlightenment_count', 'Hyper-V reenlightenment interrupts', reenlightenment],
  ['HVS', 'hyperv_stimer0_count', 'Hyper-V stimer0 interrupts', hypervisorTimer],
];
const behindErrors: typeof ownCounters = [
  ['PIN', 'kvm_posted_intr_ipis', 'Posted-interrupt notification event'],
  ['NPI', 'kvm_posted_intr_nested_ipis', 'Nested posted-interrupt event'],
  ['PIW', 'kvm_posted_intr_wakeup_ipis', 'Posted-interrupt wakeup event'],
  ['PMN', 'posted_msi_notification_count', 'Posted MSI notification event', postedMessage],
];

function namedInterrupts(kernel: Kernel, online: readonly number[]): NamedInterrupt[] {
  const stats = online.map((cpu) =>
    kernel.view('irq_cpustat', perCpuAddress(kernel, kernel.symbol('irq_stat'), cpu)),
  );
  const lines = (table: typeof ownCounters) =>
    table.flatMap(([name, counter, description, vector]): NamedInterrupt[] => {
      if (vector !== undefined && !isSystemVector(kernel, vector)) return [];
      if (counter === 'mce_exception_count' || counter === 'mce_poll_count') {
        const variable = kernel.find(counter);
        if (variable === undefined) return [];
        const counts = online.map((cpu) => kernel.u32(perCpuAddress(kernel, variable, cpu)));
        return [{ name, counts, description }];
      }
      if (!kernel.has('irq_cpustat', counter)) return [];
      const counts = stats.map((stat) => stat.uint(counter));
      // Function calls count the TLB shootdowns, too, and are shown without them.
      return [{ name, counts, description }];
    });
  const single = (name: string, symbol: string): NamedInterrupt[] => {
    const variable = kernel.find(symbol);
    return variable === undefined ? [] : [{ name, counts: [kernel.u32(variable)], description: '' }];
  };
  return [
    ...lines(ownCounters),
    ...single('ERR', 'irq_err_count'),
    ...single('MIS', 'irq_mis_count'),
    ...lines(behindErrors),
  ];
}

function isSystemVector(kernel: Kernel, vector: number): boolean {
  const bitmap = kernel.find('system_vectors');
  return (
    bitmap !== undefined &&
    ((kernel.read(bitmap + BigInt(vector >>> 3), 1)[0] ?? 0) >>> (vector & 7)) % 2 === 1
  );
}

/** arch_irq_stat_cpu(): what `/proc/stat` adds for each CPU to the interrupts with numbers. */
export function interruptsOfCpu(kernel: Kernel, cpu: number): bigint {
  const stat = kernel.view('irq_cpustat', perCpuAddress(kernel, kernel.symbol('irq_stat'), cpu));
  let sum = 0n;
  for (const counter of summed) if (stat.has(counter)) sum += BigInt(stat.uint(counter));
  for (const symbol of ['mce_exception_count', 'mce_poll_count']) {
    const variable = kernel.find(symbol);
    if (variable !== undefined) sum += BigInt(kernel.u32(perCpuAddress(kernel, variable, cpu)));
  }
  return sum;
}

const summed: readonly Counter[] = [
  '__nmi_count',
  'apic_timer_irqs',
  'irq_spurious_count',
  'apic_perf_irqs',
  'apic_irq_work_irqs',
  'icr_read_retry_count',
  'irq_resched_count',
  'irq_call_count',
  'irq_thermal_count',
  'irq_threshold_count',
  'irq_hv_callback_count',
  'irq_hv_reenlightenment_count',
  'hyperv_stimer0_count',
];
