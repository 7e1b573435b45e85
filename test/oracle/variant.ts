import { profileCacheFolder } from '../../src/kernel/profile-cache.js';
import { shippedProfiles } from '../../src/kernel/profile.js';
import { changeOrders, type ChangeOrder, type ScriptPolicy } from '../../src/plan/model.js';
import { planUpdate, type PlanResult } from '../../src/planner/plan.js';
import type { Original } from './copy.js';

export const policies = ['split', 'defer'] as const satisfies readonly ScriptPolicy[];
export { changeOrders as orders };

/** A way to plan that is put to the test. */
export interface Variant {
  readonly policy: ScriptPolicy;
  readonly order: ChangeOrder;
}

/** Plans a command for a suspended guest, in one way. */
export function planVariant(
  variant: Variant,
  original: Original,
  command: readonly string[],
  output: string,
  signal: AbortSignal,
): Promise<PlanResult> {
  return planUpdate({
    disk: original.disk,
    memory: original.memory,
    output,
    commands: [command],
    ...variant,
    profileDirectory: shippedProfiles,
    profileCache: profileCacheFolder(),
    signal,
  });
}
