import type { Guest } from '../../guest/guest.js';
import type { Interrupt } from '../../guest/interrupts.js';
import { lines, ticks } from './text.js';

/** `/proc/stat` (`show_stat`, fs/proc/stat.c). */
export function renderAccounting(guest: Guest): string {
  const accounting = guest.cpuAccounting();
  const { limit, numbered } = guest.interrupts();
  const times = (values: readonly bigint[]) => values.map(ticks).join(' ');
  const counts = new Array<bigint>(limit).fill(0n);
  for (const { number, total } of numbered) counts[number] = total;
  const soft = accounting.softIrqs.map((kind) => kind.counts.reduce((sum, count) => sum + count, 0));
  return lines([
    `cpu  ${times(accounting.total)}`,
    ...accounting.online.map(([cpu, values]) => `cpu${cpu} ${times(values)}`),
    `intr ${accounting.interrupts} ${counts.join(' ')}`,
    `ctxt ${accounting.contextSwitches}`,
    `btime ${accounting.bootTime}`,
    `processes ${accounting.forks}`,
    `procs_running ${accounting.running}`,
    `procs_blocked ${accounting.blocked}`,
    `softirq ${soft.reduce((sum, count) => sum + count, 0)} ${soft.join(' ')}`,
  ]);
}

/** `/proc/softirqs` (`show_softirqs`, fs/proc/softirqs.c). */
export function renderSoftIrqs(guest: Guest): string {
  const { softIrqs } = guest.cpuAccounting();
  const cpus = softIrqs[0]?.counts ?? [];
  return lines([
    ' '.repeat(20) + cpus.map((_, cpu) => `CPU${String(cpu).padEnd(8)}`).join(''),
    ...softIrqs.map(
      ({ name, counts }) =>
        `${name.padStart(12)}:${counts.map((count) => ` ${String(count).padStart(10)}`).join('')}`,
    ),
  ]);
}

/** `/proc/interrupts` (`show_interrupts` or `irq_seq_show`, kernel/irq/proc.c; `arch_show_interrupts`). */
export function renderInterrupts(guest: Guest): string {
  const { online, numberWidth: width, chipWidth, numbered, named } = guest.interrupts();
  const columns = (counts: readonly (number | bigint)[]) =>
    counts.map((count) => String(count).padStart(10)).join(' ');
  const chipColumn = ({ chip, ownText }: Interrupt) => {
    if (chipWidth !== undefined) return `  ${ownText ? chip : chip.padEnd(chipWidth)}`;
    return ` ${ownText ? chip : ` ${chip.padStart(8)}`}`;
  };
  // Where it has no number, the newer function prints a space too many.
  const hardwareColumn = ({ hardwareNumber }: Interrupt) =>
    hardwareNumber === undefined
      ? ' '.repeat(chipWidth === undefined ? width : width + 1)
      : String(hardwareNumber).padStart(width);
  return lines([
    ' '.repeat(width + 8) + online.map((cpu) => `CPU${String(cpu).padEnd(8)}`).join(''),
    ...numbered
      .filter(({ shown }) => shown)
      .map(
        (interrupt) =>
          `${String(interrupt.number).padStart(width)}: ${columns(interrupt.counts)}${chipColumn(interrupt)} ` +
          hardwareColumn(interrupt) +
          (interrupt.trigger ? ` ${interrupt.trigger.padEnd(8)}` : '') +
          (interrupt.flow ? `-${interrupt.flow.padEnd(8)}` : '') +
          (interrupt.actions.length ? `  ${interrupt.actions.join(', ')}` : ''),
      ),
    ...named.map(({ name, counts, description, gap }) => {
      const head = `${name.padStart(width)}:`;
      // A name that is wider than the numbers takes the space.
      const space = name.length > width ? '' : ' ';
      return `${head}${space}${columns(counts)}${description && ' '.repeat(gap) + description}`;
    }),
  ]);
}

/** `/proc/vmstat` (`vmstat_show`, mm/vmstat.c). */
export function renderVmStat(guest: Guest): string {
  return lines(guest.vmCounters().map(([name, value]) => `${name} ${value}`));
}
