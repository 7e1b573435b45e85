import { readFileSync } from 'node:fs';
import { errorCodes, exitStatus } from '../../src/base/errors.js';

const page = readFileSync('docs/exit-status.md', 'utf8');

test('docs/exit-status.md lists every exit status with its codes, and no other', () => {
  const listed = new Map(
    [...page.matchAll(/^\| (\d+) +\| `(\w+)` +\| ([^|]*)\|/gm)].map(([, status, name, codes]) => [
      Number(status),
      { name, codes: [...codes!.matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code).sort() },
    ]),
  );
  const expected = new Map(
    Object.entries(exitStatus).map(([name, status]) => [
      status as number,
      {
        name,
        codes: Object.entries(errorCodes)
          .filter(([, of]) => of === status)
          .map(([code]) => code)
          .sort(),
      },
    ]),
  );
  expect(listed).toEqual(expected);
});
