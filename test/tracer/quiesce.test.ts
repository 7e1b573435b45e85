/** Quiet, and ends while it is quiet: who is left is known, and nobody else. */
import { readFileSync } from 'node:fs';
import { nativeFiles } from '../../src/native/shim.js';
import type { ExecStop, TraceEvent } from '../../src/tracer/tracer.js';
import { compile, leftovers, letGo, removeFolder, start, throughEachBackend, until } from './support.js';

const spawn = compile('spawn');

afterAll(removeFolder);
afterEach(() => until(() => leftovers().length === 0));

const runs = (stop: ExecStop, program: string) => String(stop.path) === program;

/** Processes that were told of and have not ended. */
function living(events: readonly TraceEvent[]): number[] {
  const pids = new Set<number>();
  for (const event of events)
    if (event.type === 'exit') pids.delete(event.pid);
    else if (event.type === 'fork' && !event.thread) pids.add(event.child);
  return [...pids];
}

/** `PPid:` and the like. */
const statusOf = (pid: number, field: string) =>
  new RegExp(`^${field}:\\s+(\\S+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];

/** At the entry of execve(2), where a tracee stands that is held. */
const isHeld = (pid: number) => {
  const [number] = readFileSync(`/proc/${pid}/syscall`, 'latin1').split(' ');
  return number === '59' && statusOf(pid, 'State') === 't';
};

throughEachBackend(() => {
  test('each birth and end before it has been told', async () => {
    const line = 'for i in 1 2 3; do while :; do (:); done & done; exec /bin/true';
    for (let round = 0; round < 10; round++) {
      const observation = start(['sh', '-c', line], {
        grace: 0,
        onExec: async (stop) => {
          if (!runs(stop, '/bin/true')) return letGo();
          await until(() => observation.events.length > 20 + 7 * round);
          await stop.quiesce();
          const told = living(observation.events);
          const there = leftovers().map(Number);
          expect(told.filter((pid) => pid !== stop.pid)).toEqual(
            expect.arrayContaining(there.filter((pid) => pid !== stop.pid)),
          );
          for (const pid of told) expect(statusOf(pid, 'State')).toBe('t');
          await new Promise((resolve) => setTimeout(resolve, 100));
          expect(living(observation.events)).toEqual(told);
          return letGo();
        },
      });
      await observation.run.result;
    }
  });

  test('while threads execute programs, which live on under the number of another', async () => {
    const ways = 'thread orphan-thread racing-threads';
    const line = `for way in ${ways}; do while :; do ${spawn} $way /bin/date >/dev/null; done & done
      for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do /bin/true; done`;
    const { run, stops } = start(['sh', '-c', line], {
      grace: 0,
      execPaths: ['/bin/true'],
      onExec: async (stop) => {
        await stop.quiesce();
        return letGo();
      },
    });
    expect(await run.result).toMatchObject({ exitStatus: 0 });
    expect(stops).toHaveLength(20);
  });

  test('what is killed has ended, and nothing that it started is left', async () => {
    const line = 'for i in 1 2 3; do while :; do (:); /bin/true; done & done; exec /bin/echo done';
    for (let round = 0; round < 10; round++) {
      const observation = start(['sh', '-c', line], {
        grace: 60_000,
        execPaths: ['/bin/echo'],
        onExec: async (stop) => {
          if (!runs(stop, '/bin/echo')) return letGo();
          await until(() => observation.events.length > 20 + 7 * round);
          await stop.quiesce();
          const left = living(observation.events);
          expect(left.length).toBeGreaterThanOrEqual(3);
          await stop.kill(left);
          expect(living(observation.events)).toEqual([]);
          expect(leftovers()).toEqual([String(stop.pid)]);
          // They have ended: that is no error.
          await stop.kill(left);
          return letGo();
        },
      });
      const { output, result } = await observation.finish();
      expect(output).toBe('done\n');
      expect(result).toMatchObject({ exitStatus: 0, leftovers: [] });
    }
  });

  test('one that has waited for the end of a killed one in vfork stands still again', async () => {
    let states: unknown[] = [];
    const line = `${spawn} vfork /bin/echo said; echo $?`;
    const observation = start(['sh', '-c', line], {
      onExec: async (stop) => {
        if (!runs(stop, '/bin/echo')) return letGo();
        await until(() => statusOf(stop.parent, 'State') === 'D');
        await stop.quiesce();
        await stop.kill([stop.pid]);
        states = [statusOf(stop.parent, 'State'), living(observation.events).includes(stop.pid)];
        return letGo();
      },
    });
    const { output, result } = await observation.finish();
    expect(states).toEqual(['t', false]);
    expect([output, result.exitStatus]).toEqual(['137\n', 0]);
  });

  test('nobody is asked about a call that a killed one was about to make', async () => {
    const asked: string[] = [];
    const line = '/bin/echo one & /bin/echo two & wait; exec /bin/true';
    const observation = start(['sh', '-c', line], {
      onExec: async (stop) => {
        asked.push(String(stop.argv.at(-1)));
        if (!runs(stop, '/bin/echo')) return letGo();
        const others = () => living(observation.events).filter((pid) => pid !== stop.pid);
        await until(() => others().length > 0 && isHeld(others()[0]!));
        await stop.quiesce();
        await stop.kill(others());
        return letGo();
      },
    });
    const { output, result } = await observation.finish();
    const [, first] = asked;
    expect(asked).toEqual([line, first, '/bin/true']);
    expect(output).toBe(`${first}\n`);
    expect(result).toMatchObject({ exitStatus: 0, leftovers: [] });
  });

  test('what a rehearsed program leaves is a child of whoever rehearses, and is reaped', async () => {
    const script = '(sleep 1000 & exec /bin/echo); exec /bin/true';
    let orphans: (string | undefined)[] = [];
    const words = [nativeFiles.rehearse, '3', '/bin/sh', 'sh', '-c', script, '/bin/uname', 'uname'];
    const observation = start(words, {
      grace: 0,
      onExec: async (stop) => {
        if (!runs(stop, '/bin/uname')) return letGo();
        await stop.quiesce();
        const left = living(observation.events);
        orphans = left.map((pid) => statusOf(pid, 'PPid'));
        expect(orphans).toEqual([String(stop.pid)]);
        await stop.kill(left);
        return letGo();
      },
    });
    expect(await observation.finish()).toMatchObject({
      output: 'Linux\n',
      result: { exitStatus: 0, leftovers: [] },
    });
    expect(orphans).toHaveLength(1);
  });
});
