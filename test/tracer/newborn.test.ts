/** A child whose first stop, or whose death, is taken up before the event that tells of its birth. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { eventKind } from '../../src/tracer/records.js';
import { exitOf } from '../../src/tracer/told.js';
import type { Birth } from './birth-unseen.js';
import { compile, removeFolder, throughEachBackend } from './support.js';

const spawn = compile('spawn');
const program = fileURLToPath(new URL('birth-unseen.js', import.meta.url));

afterAll(removeFolder);

throughEachBackend((backend) => {
  /** The kinds of what was told about the child, in order, and how its parent ended. */
  function birth(...args: string[]) {
    const output = execFileSync(process.execPath, [program, backend, spawn, ...args], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    const { parent, child, told } = JSON.parse(output) as Birth;
    const exit = told.find(({ kind, tid }) => kind === eventKind.exit && tid === parent);
    const ofChild = told.filter(
      ({ kind, tid, other }) => tid === child || (kind === eventKind.fork && other === child),
    );
    expect(told.filter(({ kind }) => kind === eventKind.fork)).toMatchObject([{ tid: parent, other: child }]);
    return { kinds: ofChild.map(({ kind }) => kind), exit: exit && exitOf(exit.status) };
  }

  test.each(['fork', 'vfork', 'clone', 'clone-vm', 'clone3', 'posix_spawn'])('made by %s', (way) => {
    expect(birth(way)).toEqual({
      kinds: [eventKind.fork, eventKind.exec, eventKind.exit],
      exit: { exitStatus: 0 },
    });
  });

  test.each(['fork', 'vfork', 'clone3'])('made by %s, and dead as well', (way) => {
    expect(birth(way, 'kill')).toEqual({
      kinds: [eventKind.fork, eventKind.exit],
      exit: { exitStatus: 128 + 9 },
    });
  });
});
