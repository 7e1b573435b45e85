import type { FileChange, LiveAction, ScriptCall } from '../plan/model.js';

/** The stages of planning, in the order in which they begin. */
export type PlannerPhase = 'memory' | 'disk' | 'shadow' | 'update' | 'finish';

/** What the planner tells while it works. Steps have the numbers of the order in which things happen. */
export type PlannerEvent =
  | { readonly type: 'phase'; readonly phase: PlannerPhase }
  | { readonly type: 'command'; readonly argv: readonly string[] }
  /** One line that the package manager wrote. */
  | { readonly type: 'output'; readonly text: string }
  | { readonly type: 'script'; readonly step: number; readonly call: ScriptCall }
  | { readonly type: 'action'; readonly step: number; readonly action: LiveAction }
  /** Planning begins again: a script has to run in the guest, whole. */
  | { readonly type: 'again'; readonly reason: string }
  | { readonly type: 'files'; readonly step: number; readonly changes: readonly FileChange[] };

export type PlannerListener = (event: PlannerEvent) => void;
