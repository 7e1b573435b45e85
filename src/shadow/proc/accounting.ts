import type { Guest } from '../../guest/guest.js';
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

/** `/proc/interrupts` (`show_interrupts`, kernel/irq/proc.c; `arch_show_interrupts`, arch/x86/kernel/irq.c). */
export function renderInterrupts(guest: Guest): string {
  const { online, limit, numbered, named } = guest.interrupts();
  let width = 3;
  for (let power = 1000; width < 10 && power <= limit; power *= 10) width++;
  const columns = (counts: readonly number[]) =>
    counts.map((count) => `${String(count).padStart(10)} `).join('');
  return lines([
    ' '.repeat(width + 8) + online.map((cpu) => `CPU${String(cpu).padEnd(8)}`).join(''),
    ...numbered
      .filter(({ shown }) => shown)
      .map(
        ({ number, counts, chip, hardwareNumber, flow, actions }) =>
          `${String(number).padStart(width)}: ${columns(counts)} ${chip.padStart(8)} ` +
          String(hardwareNumber ?? '').padStart(width) +
          (flow ? `-${flow.padEnd(8)}` : '') +
          (actions.length ? `  ${actions.join(', ')}` : ''),
      ),
    ...named.map(({ name, counts, description }) =>
      description
        ? `${name.padStart(width)}: ${columns(counts)}  ${description}`
        : `${name.padStart(width)}: ${String(counts[0]).padStart(10)}`,
    ),
  ]);
}

/** `/proc/vmstat` (`vmstat_show`, mm/vmstat.c). */
export function renderVmStat(guest: Guest): string {
  return lines(guest.vmCounters().map(([name, value]) => `${name} ${value}`));
}
