/** A process that plans one update and says how long that took, from the call to the finished plan: Node's own start is not in it. */
import { planUpdate } from '../../../src/planner/plan.js';
import type { PlannerPhase } from '../../../src/planner/events.js';
import type { PlanJob, PlanReport } from './planning.js';

const job = JSON.parse(process.argv[2] ?? '') as PlanJob;
const controller = new AbortController();
process.once('SIGTERM', () => controller.abort());

const begun: [phase: PlannerPhase, at: number][] = [];
const started = performance.now();
const { packages } = await planUpdate({
  ...job,
  signal: controller.signal,
  onEvent: (event) => {
    if (event.type === 'phase') begun.push([event.phase, performance.now()]);
  },
});
const ended = performance.now();

const phases: Record<string, number> = {};
begun.forEach(([phase, at], index) => {
  phases[phase] = (phases[phase] ?? 0) + ((begun[index + 1]?.[1] ?? ended) - at) / 1000;
});
const report: PlanReport = { seconds: (ended - started) / 1000, phases, packages };
process.stdout.write(JSON.stringify(report));
