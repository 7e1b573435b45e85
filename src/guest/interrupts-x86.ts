import type { Kernel } from '../kernel/kernel.js';
import { inconsistent } from '../kernel/lists.js';
import { perCpuAddress } from '../kernel/percpu.js';
import type { StructView } from '../kernel/struct-view.js';
import type { NamedInterrupt, OwnInterrupts } from './interrupts.js';

type Counter = Parameters<StructView<'irq_cpustat'>['has']>[0];

/** Vectors of hypervisors, `arch/x86/include/asm/irq_vectors.h`: shown when they are in use. */
const hypervisorCallback = 0xf3;
const reenlightenment = 0xee;
const hypervisorTimer = 0xed;
const postedMessage = 0xeb;

/** Spaces before the descriptions. */
const gap = 3;

/** The lines behind the numbers, in their order: arch_show_interrupts(). */
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

/** By the members of irq_cpustat_t. */
function linesOfMembers(kernel: Kernel, online: readonly number[]): NamedInterrupt[] {
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
        return [{ name, counts, description, gap }];
      }
      if (!kernel.has('irq_cpustat', counter)) return [];
      const counts = stats.map((stat) => stat.uint(counter));
      return [{ name, counts, description, gap }];
    });
  const single = (name: string, symbol: string): NamedInterrupt[] => {
    const variable = kernel.find(symbol);
    return variable === undefined ? [] : [{ name, counts: [kernel.u32(variable)], description: '', gap: 0 }];
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

/** arch_irq_stat_cpu() and arch_irq_stat(). */
function sumOfMembers(kernel: Kernel, cpus: readonly number[]): bigint {
  let sum = BigInt(kernel.u32(kernel.symbol('irq_err_count')));
  for (const cpu of cpus) {
    const stat = kernel.view('irq_cpustat', perCpuAddress(kernel, kernel.symbol('irq_stat'), cpu));
    for (const counter of summed) if (stat.has(counter)) sum += BigInt(stat.uint(counter));
    for (const symbol of ['mce_exception_count', 'mce_poll_count']) {
      const variable = kernel.find(symbol);
      if (variable !== undefined) sum += BigInt(kernel.u32(perCpuAddress(kernel, variable, cpu)));
    }
  }
  return sum;
}

const maxCounters = 256;
const maxText = 64;
/** Of what the table's own texts begin with. */
const gapOfTable = 2;

/** The kernel's own table of its counters, and the array that has them of each CPU (seen in 7.2). */
interface CounterTable {
  readonly rows: readonly { readonly name: string; readonly description: string; readonly shown: boolean }[];
  readonly counts: (cpu: number) => readonly number[];
}

function counterTable(kernel: Kernel, address: bigint): CounterTable {
  const length = kernel.enumerator('IRQ_COUNT_MAX') ?? 0;
  if (length < 1 || length > maxCounters) throw inconsistent(`there are ${length} counters of interrupts`);
  const stride = BigInt(kernel.layout('irq_stat_info').size);
  const bits = kernel.read(kernel.symbol('irq_stat_count_show'), Math.ceil(length / 64) * 8);
  const rows = Array.from({ length }, (_, index) => {
    const row = kernel.view('irq_stat_info', address + BigInt(index) * stride);
    const text = (field: 'symbol' | 'text') => {
      const at = row.pointer(field);
      return at === 0n ? '' : kernel.text(at, maxText).trim();
    };
    const shown = ((bits[index >>> 3] ?? 0) >>> (index & 7)) % 2 === 1;
    return { name: text('symbol'), description: text('text'), shown };
  });
  const counts = (cpu: number) => {
    const stat = kernel.view('irq_counts', perCpuAddress(kernel, kernel.symbol('irq_stat'), cpu));
    const bytes = stat.raw('counts');
    if (bytes.length !== length * 4)
      throw inconsistent(`there are ${bytes.length / 4} counters of interrupts and ${length} kinds`);
    return Array.from({ length }, (_, index) => bytes.readUInt32LE(index * 4));
  };
  return { rows, counts };
}

function linesOfTable({ rows, counts }: CounterTable, online: readonly number[]): NamedInterrupt[] {
  const perCpu = online.map(counts);
  return rows.flatMap(({ name, description, shown }, index) =>
    shown ? [{ name, counts: perCpu.map((each) => each[index] ?? 0), description, gap: gapOfTable }] : [],
  );
}

/** x86's own (`arch/x86/kernel/irq.c`). */
export const x86Interrupts: OwnInterrupts = {
  lines(kernel, online) {
    const table = kernel.find('irq_stat_info');
    return table === undefined
      ? linesOfMembers(kernel, online)
      : linesOfTable(counterTable(kernel, table), online);
  },
  sum(kernel, cpus) {
    const table = kernel.find('irq_stat_info');
    if (table === undefined) return sumOfMembers(kernel, cpus);
    const { counts } = counterTable(kernel, table);
    return cpus.flatMap(counts).reduce((sum, count) => sum + BigInt(count), 0n);
  },
};
