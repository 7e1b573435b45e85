import { OuaError } from '../../src/base/errors.js';
import { profileCacheFolder } from '../../src/kernel/profile-cache.js';
import { shippedProfiles } from '../../src/kernel/profile.js';
import type { ChangeOrder, ScriptPolicy } from '../../src/plan/model.js';
import { planUpdate, type PlanResult } from '../../src/planner/plan.js';
import type { Original } from './copy.js';

export const policies = ['split', 'defer'] as const satisfies readonly ScriptPolicy[];
export const orders = ['log', 'phases'] as const satisfies readonly ChangeOrder[];

/** A way to plan that is put to the test. */
export interface Variant {
  readonly policy: ScriptPolicy;
  readonly order: ChangeOrder;
}

/** @throws OuaError `USAGE` when the planner has no such policy or order. */
export function requireVariant({ policy, order }: Variant): void {
  if (order === 'log') return;
  throw new OuaError(
    'USAGE',
    `the planner cannot plan with policy '${policy}' and order '${order}'`,
    "it plans with order 'log'",
  );
}

/** Plans a command for a suspended guest, in one way. */
export function planVariant(
  variant: Variant,
  original: Original,
  command: readonly string[],
  output: string,
  signal: AbortSignal,
): Promise<PlanResult> {
  requireVariant(variant);
  return planUpdate({
    disk: original.disk,
    memory: original.memory,
    output,
    commands: [command],
    policy: variant.policy,
    profileDirectory: shippedProfiles,
    profileCache: profileCacheFolder(),
    signal,
  });
}
