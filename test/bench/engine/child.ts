/** A process that does nothing but run the engine: what memory it uses is the tracer's. */
import { readFileSync } from 'node:fs';
import { trace } from '../../../src/tracer/trace.js';
import type { TraceRun } from '../../../src/tracer/tracer.js';
import type { Job, Order, Report } from './messages.js';
import { plannedOptions } from './options.js';

const counts = { asked: 0, scripts: 0, told: 0 };

const report = (report: Report) => void process.send?.(report);
const fail = (error: unknown) =>
  report({ type: 'failed', message: error instanceof Error ? error.message : String(error) });

function start({ command, armed, audit }: Job): TraceRun {
  return trace({
    command,
    armed,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...plannedOptions(counts, armed === 'later'),
    audit,
  });
}

/** Processor time of all threads. Wall-clock time depends on what else the machine does; this hardly. */
function milliseconds({ user, system }: NodeJS.CpuUsage) {
  return { userMs: Math.round(user / 1000), systemMs: Math.round(system / 1000) };
}

function peakBytes(): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))![1]) * 1024;
}

let run: TraceRun | undefined;
process.on('message', (order: Order) => {
  if (order.type === 'arm') {
    run?.arm(order.pid).then(() => report({ type: 'armed' }), fail);
    return;
  }
  const before = process.cpuUsage();
  run = start(order.job);
  run.result
    .then(
      (result) =>
        report({
          type: 'ended',
          exitStatus: result.exitStatus,
          peakBytes: peakBytes(),
          counts: { ...result.counts, ...counts, ...milliseconds(process.cpuUsage(before)) },
        }),
      fail,
    )
    .finally(() => process.disconnect());
});
report({ type: 'ready' });
