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
  const run = (...args: string[]) =>
    JSON.parse(
      execFileSync(process.execPath, [program, backend, spawn, ...args], {
        encoding: 'utf8',
        timeout: 60_000,
      }),
    ) as Birth;

  /** The kinds of what was told about the child, in order, those when all stood still, and how its parent ended. */
  function birth(...args: string[]) {
    const { parent, child, told, quiet, still } = run(...args);
    const exit = told.find(({ kind, tid }) => kind === eventKind.exit && tid === parent);
    const kinds = (records: Birth['told']) =>
      records
        .filter(({ kind, tid, other }) => tid === child || (kind === eventKind.fork && other === child))
        .map(({ kind }) => kind);
    expect(told.filter(({ kind }) => kind === eventKind.fork)).toMatchObject([{ tid: parent, other: child }]);
    return {
      kinds: kinds(told),
      exit: exit && exitOf(exit.status),
      ...(quiet !== undefined && { quiet: kinds(told.slice(0, quiet)), still }),
    };
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

  test.each(['fork', 'vfork', 'clone3'])('made by %s, and told of when all stand still', (way) => {
    expect(birth(way, 'quiesce')).toEqual({
      kinds: [eventKind.fork, eventKind.exec, eventKind.exit],
      exit: { exitStatus: 0 },
      quiet: [eventKind.fork],
      still: true,
    });
  });

  test('whose parent was killed before it told of it: it is told of as whose child it is now', () => {
    const { command, parent, child, told, quiet, still } = run('fork', 'orphan');
    const { exit, fork, exec } = eventKind;
    expect(still).toBe(true);
    expect(told.slice(0, quiet)).toMatchObject([
      { kind: exit, tid: parent },
      { kind: fork, tid: command, other: child },
    ]);
    const kinds = told.filter(({ tid }) => tid === child).map(({ kind }) => kind);
    expect(kinds).toEqual([exec, exit]);
  });
});
