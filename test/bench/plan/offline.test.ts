import type { Step } from '../../../src/plan/model.js';
import { samplePlan } from '../../plan/sample.js';
import { scriptCalls, sum } from './offline.js';

const script = (runs: 'offline' | 'replay'): Step => {
  const sample = samplePlan.steps.find((step) => step.kind === 'script')!;
  return { kind: 'script', call: { ...sample.call, runs } };
};
const action = (script: number | undefined): Step => {
  const sample = samplePlan.steps.find((step) => step.kind === 'action')!;
  return { kind: 'action', action: { ...sample.action, script } };
};

test('a call is over with the planning when it ran and leaves no action', () => {
  const steps = [
    script('offline'),
    script('offline'),
    action(1),
    action(1),
    action(undefined),
    script('replay'),
  ];
  const one = scriptCalls([...steps, action(5), { kind: 'triggers' }]);
  expect(one).toEqual({ calls: 3, offline: 1, acting: 1, whole: 1 });
  expect(scriptCalls([])).toEqual({ calls: 0, offline: 0, acting: 0, whole: 0 });
  expect(sum([one, one])).toEqual({ calls: 6, offline: 2, acting: 2, whole: 2 });
});
