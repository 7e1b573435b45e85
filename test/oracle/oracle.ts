import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OuaError } from '../../src/base/errors.js';
import { ResourceStack } from '../../src/base/resources.js';
import type { Say } from '../lab/cache.js';
import type { LabGuest } from '../lab/lab.js';
import { allowList } from './allow-list.js';
import { runCase, type Update } from './case.js';
import type { Original } from './copy.js';
import { corpus } from './corpus.js';
import type { CaseResult, OracleDocument } from './document.js';
import { oracleGuest } from './guests.js';
import { Judge } from './judge.js';
import type { CopyKind } from './live-state.js';
import { everything, operationTable, type GuestKind, type Operation } from './operations.js';
import { openRootOriginal } from './root/original.js';
import { openVmOriginal } from './vm/original.js';
import type { Variant } from './variant.js';

/** Differences of a case that are named while it goes on. */
const told = 10;

export interface OracleOptions {
  readonly operations: readonly Operation[];
  readonly packages: readonly string[];
  readonly guest: CopyKind;
  readonly variants: readonly Variant[];
  /** Whether this is a run of the whole corpus, which the allow-list answers to. */
  readonly whole: boolean;
  readonly say: Say;
  readonly signal: AbortSignal;
}

const originals: Readonly<Record<CopyKind, (guest: LabGuest, signal: AbortSignal) => Promise<Original>>> = {
  root: openRootOriginal,
  vm: openVmOriginal,
};

/**
 * Tries updates in guests, and plans of them in copies of those guests, and says what is not the same afterwards. When
 * it is aborted it says what it has found until then.
 *
 * @throws OuaError `USAGE` when there is nothing to try, and what goes wrong beside the cases.
 */
export async function runOracle(options: OracleOptions): Promise<OracleDocument> {
  const { variants, guest: kind, packages, say, signal } = options;
  const started = performance.now();
  await using stack = new ResourceStack();
  const folder = await mkdtemp(join(tmpdir(), 'ouassister-oracle-plans-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const judge = new Judge(allowList);
  const opened = new Map<GuestKind, Original>();
  const cases: CaseResult[] = [];
  const todo = updates(options);
  if (todo.length === 0)
    throw new OuaError('USAGE', 'there is nothing to try', 'name an operation and packages');
  for (const { update, base } of todo) {
    if (signal.aborted) break;
    let original = opened.get(base);
    if (!original) {
      original = stack.use(await originals[kind](await oracleGuest(base, packages, say), signal));
      opened.set(base, original);
    }
    say(`${update.package} ${update.operation}: ${update.command.join(' ')}`);
    try {
      for await (const result of runCase(update, variants, { original, judge, folder, signal })) {
        tell(result, say);
        cases.push(result);
      }
    } catch (error) {
      // What was found until then is worth having.
      if (!signal.aborted) throw error;
    }
  }
  return {
    schemaVersion: '1.0',
    complete: !signal.aborted,
    cases,
    allowList: judge.size,
    ...(options.whole &&
      !signal.aborted && {
        allowListUnseen: judge.unseen.map((row) => ({
          path: 'path' in row ? row.path : row.name.source,
          why: row.why,
        })),
      }),
    seconds: Number(((performance.now() - started) / 1000).toFixed(1)),
  };
}

/** One update for each package that an operation is about, or one for all. */
function updates({ operations, packages, guest }: OracleOptions): { update: Update; base: GuestKind }[] {
  return operations.flatMap((operation) => {
    const { guest: base, each, command } = operationTable[operation];
    const names = each ? packages.filter((name) => !isLeftOut(name, operation)) : [everything];
    return names.map((name) => ({
      base,
      update: { package: name, operation, guest, command: command(name) },
    }));
  });
}

function isLeftOut(name: string, operation: Operation): boolean {
  return corpus.find((row) => row.package === name)?.without[operation] !== undefined;
}

function tell(result: CaseResult, say: Say): void {
  say(`  ${inWords(result)}`);
  for (const { path, aspect } of result.differences.slice(0, told)) say(`    ${path}: ${aspect}`);
}

function inWords({ policy, order, result, differences, unsteady, error, seconds }: CaseResult): string {
  const more = error ?? (differences.length > 0 ? count(differences, 'difference') : '');
  const shaky = unsteady.length > 0 ? `; the references have ${count(unsteady, 'difference')}` : '';
  return `${policy}, ${order}: ${result}${more && `, ${more}`}${shaky} (${seconds} s)`;
}

function count(things: readonly unknown[], name: string): string {
  return `${things.length} ${name}${things.length === 1 ? '' : 's'}`;
}
