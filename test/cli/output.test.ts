import { printable, wantsColor } from '../../src/cli/output.js';

test('control characters of a guest’s names cannot reach the terminal', () => {
  expect(printable('a\x1b[31mb\nc\x9bd\te')).toBe('a\\x1b[31mb\\x0ac\\x9bd\te');
});

describe('colour', () => {
  const terminal = { isTTY: true };
  const saved = { ...process.env };
  afterEach(() => {
    for (const name of ['NO_COLOR', 'FORCE_COLOR']) {
      if (saved[name] === undefined) delete process.env[name];
      else process.env[name] = saved[name];
    }
  });

  test.each([
    [{}, undefined, true],
    [{ NO_COLOR: '1' }, undefined, false],
    [{ NO_COLOR: '1' }, true, true],
    [{ NO_COLOR: '1', FORCE_COLOR: '1' }, undefined, false],
    [{ FORCE_COLOR: '0' }, undefined, false],
    [{}, false, false],
  ])('environment %j, --color %s → %s', (environment, flag, expected) => {
    delete process.env['NO_COLOR'];
    delete process.env['FORCE_COLOR'];
    Object.assign(process.env, environment);
    expect(wantsColor(flag, terminal)).toBe(expected);
  });
});
