import { requireSameMachine } from '../../src/planner/same-machine.js';
import { codeOf } from '../error-code.js';

test('a guest of another architecture is refused before anything of it runs', () => {
  expect(() => requireSameMachine({ machine: 'x86_64' }, 'x86_64')).not.toThrow();
  expect(codeOf(() => requireSameMachine({ machine: 'aarch64' }, 'x86_64'))).toBe('GUEST_UNSUPPORTED');
});
