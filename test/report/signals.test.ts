import { execFileSync } from 'node:child_process';
import { signalName } from '../../src/report/signals.js';

test('names are those that the shell knows', () => {
  const name = (number: number) =>
    execFileSync('bash', ['-c', `kill -l ${number}`], { encoding: 'utf8' }).trim();
  for (const number of [1, 2, 6, 9, 10, 15, 17, 19, 29, 31, 34, 35])
    expect(signalName(number)).toBe(`SIG${name(number).replace(/^SIG/, '')}`);
  expect(signalName(64)).toBe('SIGRTMIN+30');
  expect(signalName(32)).toBe('32');
});
