import { suspendedGuest, type SuspendedGuest } from '../../lab/suspended.js';
import { mutations } from './mutations.js';
import { Rounds } from './round.js';

let guest: SuspendedGuest;
let rounds: Rounds;

beforeAll(async () => {
  guest = await suspendedGuest();
  rounds = await Rounds.open(guest.memory);
});

afterAll(() => rounds[Symbol.dispose]());

test('both readers say the same of an image that nothing has happened to', async () => {
  expect(await rounds.run(1, 1, 'none')).toMatchObject({ outcome: 'answered', words: '' });
});

test.each(mutations.filter(({ weight }) => weight > 0).map(({ kind }) => kind))(
  '%s: answered right or refused',
  async (kind) => {
    for (let number = 0; number < 6; number++) {
      const round = await rounds.run(2024, number, kind);
      expect({ ...round, bad: ['crash', 'wrong'].includes(round.outcome) }).toMatchObject({ bad: false });
    }
  },
);

test('files that are cut off or whose head is spoilt are refused', async () => {
  for (let number = 0; number < 12; number++)
    expect(await rounds.run(2024, number, 'file')).toMatchObject({ outcome: 'refused' });
});

test('a mutation is the same when it is done again', async () => {
  const once = async () => ({ ...(await rounds.run(5, 77)), seconds: 0 });
  expect(await once()).toEqual(await once());
});
