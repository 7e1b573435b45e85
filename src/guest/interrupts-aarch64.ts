import { OuaError } from '../base/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { inconsistent } from '../kernel/lists.js';
import { perCpuAddress } from '../kernel/percpu.js';
import { readWord } from '../kernel/words.js';
import type { NamedInterrupt, OwnInterrupts } from './interrupts.js';

const maxKinds = 32;
const maxText = 64;
/** Spaces before the descriptions: since the columns are constrained they are two as everywhere. */
const gap = 7;
const gapConstrained = 2;

/**
 * aarch64's own (`arch/arm64/kernel/smp.c`): the interrupts that CPUs send each other, each counted by the descriptor of
 * its number, and errors. They are among the numbered ones, which are hidden: there is nothing to add to their sum.
 */
export const aarch64Interrupts: OwnInterrupts = {
  lines(kernel, online) {
    const kinds = kindsOf(kernel);
    const texts = kernel.read(kernel.symbol('ipi_types'), kinds * 8);
    const sent = Array.from({ length: kinds }, (_, kind): NamedInterrupt => ({
      name: `IPI${kind}`,
      counts: online.map((cpu) => countOf(kernel, kind, cpu)),
      description: kernel.text(readWord(texts, kind * 8), maxText),
      gap: kernel.find('irq_proc_constraints') === undefined ? gap : gapConstrained,
    }));
    const errors = kernel.pointer(kernel.symbol('irq_err_count'));
    return [...sent, { name: 'Err', counts: [errors], description: '', gap: 0 }];
  },
  sum: () => 0n,
};

function kindsOf(kernel: Kernel): number {
  const kinds = kernel.enumerator('MAX_IPI') ?? kernel.enumerator('NR_IPI');
  if (kinds === undefined)
    throw new OuaError(
      'KERNEL_UNSUPPORTED',
      `the type information of the kernel ${kernel.release} does not tell what CPUs interrupt each other for`,
      'an old profile must be built again: ouassister profile build',
    );
  if (kinds > maxKinds) throw inconsistent(`there are ${kinds} kinds of interrupts between CPUs`);
  return kinds;
}

/** Each CPU got descriptors of its own (6.17): before, they had one together. */
function countOf(kernel: Kernel, kind: number, cpu: number): number {
  const perCpu = kernel.find('pcpu_ipi_desc');
  const table = perCpu === undefined ? kernel.symbol('ipi_desc') : perCpuAddress(kernel, perCpu, cpu);
  const descriptor = kernel.pointer(table + BigInt(kind * 8));
  if (descriptor === 0n) return 0;
  const counter = kernel.view('irq_desc', descriptor).pointer('kstat_irqs');
  return counter === 0n ? 0 : kernel.u32(perCpuAddress(kernel, counter, cpu));
}
