import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { throwIfAborted } from '../../../src/base/abort.js';
import { OuaError } from '../../../src/base/errors.js';
import { profileCacheFolder } from '../../../src/kernel/profile-cache.js';
import { shippedProfiles } from '../../../src/kernel/profile.js';
import type { Step } from '../../../src/plan/model.js';
import { PlanReader } from '../../../src/plan/reader.js';
import { planUpdate } from '../../../src/planner/plan.js';
import { corpus } from '../../oracle/corpus.js';
import { everything, operations, operationTable, type Operation } from '../../oracle/operations.js';
import type { Interval } from '../pairs.js';
import type { Surroundings, Work } from '../work.js';
import { benchGuest, shortUpdate } from './guests.js';

/** Script calls of plans, by what is left of them for the replay. */
export interface ScriptCalls {
  readonly calls: number;
  /** They ran when the plan was made, and nothing is left to do in the guest. */
  readonly offline: number;
  /** They ran, and leave live actions. */
  readonly acting: number;
  /** The replay runs all of them. */
  readonly whole: number;
}

/** Counts the script calls of a plan. */
export function scriptCalls(steps: Iterable<Step>): ScriptCalls {
  const acting = new Map<number, boolean>();
  let whole = 0;
  let number = 0;
  for (const step of steps) {
    if (step.kind === 'script' && step.call.runs === 'replay') whole++;
    else if (step.kind === 'script') acting.set(number, false);
    else if (step.kind === 'action' && acting.has(step.action.script ?? -1))
      acting.set(step.action.script!, true);
    number++;
  }
  const left = [...acting.values()].filter((does) => does).length;
  return { calls: acting.size + whole, offline: acting.size - left, acting: left, whole };
}

export function sum(all: readonly ScriptCalls[]): ScriptCalls {
  const total = (key: keyof ScriptCalls) => all.reduce((so, each) => so + each[key], 0);
  return { calls: total('calls'), offline: total('offline'), acting: total('acting'), whole: total('whole') };
}

/** One update that is planned. */
interface Case {
  readonly name: string;
  readonly operation: Operation;
  readonly command: readonly string[];
}

/** All of the corpus, or what shows that it works. */
function cases(short: boolean): Case[] {
  if (short) return [{ name: 'less', operation: 'upgrade', command: shortUpdate.command }];
  return operations.flatMap((operation) => {
    const { each, command } = operationTable[operation];
    const rows = corpus.filter(({ without }) => without[operation] === undefined);
    const names = each ? rows.map((row) => row.package) : [everything];
    return names.map((name) => ({ name, operation, command: command(name) }));
  });
}

const additions: readonly Operation[] = ['install', 'upgrade', 'dist-upgrade'];

/**
 * How many script calls are over with the planning, counted in plans of each operation on each package of the corpus.
 * Nothing is measured: a plan says the same each time.
 */
export async function openOffline(around: Surroundings): Promise<Work<never>> {
  const { short, say, signal } = around;
  const counts = new Map<Operation, ScriptCalls[]>();
  const failed: string[] = [];
  for (const each of cases(short)) {
    throwIfAborted(signal);
    const { name, operation } = each;
    try {
      const calls = await planCase(each, around);
      counts.set(operation, [...(counts.get(operation) ?? []), calls]);
      say(`offline: ${operation} ${name}: ${inWords(calls)}`);
    } catch (error) {
      if (signal.aborted || !(error instanceof OuaError)) throw error;
      failed.push(`${operation} ${name}: ${error.message}`);
      say(`offline: ${operation} ${name}: not planned: ${error.message}`);
    }
  }
  const of = (wanted: readonly Operation[]) =>
    sum(wanted.flatMap((operation) => counts.get(operation) ?? []));
  const byOperation = [...counts].map(([operation, all]) => [operation, { plans: all.length, ...sum(all) }]);
  for (const [operation, total] of counts) say(`offline: ${operation}: ${inWords(sum(total))}`);
  return {
    variants: [],
    comparisons: [],
    run: () => Promise.reject(new OuaError('INTERNAL', 'nothing is measured', 'report this')),
    figures: () => ({
      offline_share_install: share(of(additions)),
      offline_share_all: share(of(operations)),
    }),
    facts: { operations: Object.fromEntries(byOperation) as object, failed },
  };
}

async function planCase({ operation, command }: Case, around: Surroundings): Promise<ScriptCalls> {
  const { folder, signal } = around;
  const { disk, memory } = await benchGuest(operationTable[operation].guest, around);
  const output = join(folder, 'plan');
  try {
    await planUpdate({
      ...{ disk, memory, output, commands: [command], policy: 'split', signal },
      profileDirectory: shippedProfiles,
      profileCache: profileCacheFolder(),
    });
    using plan = PlanReader.open(output);
    return scriptCalls(plan.steps());
  } finally {
    await rm(output, { force: true });
  }
}

/** A count is what it is: its interval is a point. */
function share({ calls, offline }: ScriptCalls): Interval {
  if (calls === 0) throw new OuaError('HOST_FAILED', 'no plan has a script call', 'see why they failed');
  const value = offline / calls;
  return { median: value, low: value, high: value };
}

function inWords({ calls, offline, acting, whole }: ScriptCalls): string {
  return `${calls} calls, ${offline} done offline, ${acting} with live actions, ${whole} replayed whole`;
}
