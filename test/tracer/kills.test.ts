/** SIGKILL at each kind of stop, births and group-stops in crowds. Nothing hangs and nothing is left. */
import { nativeFiles } from '../../src/native/shim.js';
import type { ExecDecision } from '../../src/tracer/tracer.js';
import {
  compile,
  leftovers,
  letGo,
  observe,
  removeFolder,
  start,
  until,
  throughEachBackend,
} from './support.js';

const moments = compile('moments');

afterAll(removeFolder);
afterEach(() => until(() => leftovers().length === 0));

const decisions: readonly ExecDecision[] = [
  letGo(),
  { action: 'redirect', path: nativeFiles.stub },
  { action: 'fail', errno: 13 },
];

throughEachBackend(() => {
  test.each(decisions)('killed while it is held at an exec, then told to $action', async (decision) => {
    const { output, result, events } = await observe(['sh', '-c', '/bin/echo reached; echo $?'], {
      onExec: (stop) => {
        if (stop.sequence === 0) return letGo();
        process.kill(stop.pid, 'SIGKILL');
        stop.readProgram(1 << 20);
        return decision;
      },
    });
    expect(output).toContain('137\n');
    expect(output).not.toContain('reached');
    expect(result.exitStatus).toBe(0);
    expect(events.filter(({ type }) => type === 'exec')).toHaveLength(1);
  });

  test.each(decisions)(
    'killed at an exec and quiesced afterwards, then told to $action',
    async (decision) => {
      const { output, result } = await observe(['sh', '-c', '/bin/echo reached; echo $?'], {
        onExec: async (stop) => {
          if (stop.sequence === 0) return letGo();
          process.kill(stop.pid, 'SIGKILL');
          await stop.quiesce();
          return decision;
        },
      });
      expect(output).toContain('137\n');
      expect(result.exitStatus).toBe(0);
    },
  );

  test('the command itself, killed at its very first exec', async () => {
    const { run, output } = start(['/bin/echo', 'reached'], {
      onExec: (stop) => (process.kill(stop.pid, 'SIGKILL'), letGo()),
    });
    expect(await run.result).toMatchObject({ exitStatus: 137, signal: 9 });
    expect(output()).toBe('');
  });

  test('killed while it is quiesced: its parent hears of it, and the others go on', async () => {
    const line = 'while :; do :; done & echo pid $!; /bin/true; wait $!; echo $?';
    const observation = start(['sh', '-c', line], {
      onExec: async (stop) => {
        if (String(stop.path) !== '/bin/true') return letGo();
        await until(() => observation.output().endsWith('\n'));
        await stop.quiesce();
        process.kill(Number(observation.output().slice('pid '.length)), 'SIGKILL');
        return letGo();
      },
    });
    const { output, result } = await observation.finish();
    expect(output).toContain('137\n');
    expect(result).toMatchObject({ exitStatus: 0, leftovers: [] });
  });

  test('killed in a group-stop', async () => {
    expect((await observe([moments, 'stopped', '40'])).output).toBe('stopped 40 killed 40\n');
  });

  test('killed as soon as it is born; each birth and each end is told once', async () => {
    const { output, events } = await observe([moments, 'newborn', '300']);
    expect(output).toBe('killed 300\n');
    const born = events.flatMap((event) => (event.type === 'fork' ? [event.child] : []));
    const ended = events.flatMap((event) => (event.type === 'exit' ? [event.pid] : []));
    expect(born).toHaveLength(300);
    expect(ended).toHaveLength(301);
    expect(new Set(ended)).toEqual(new Set([...born, events[0]?.type === 'exec' ? events[0].pid : 0]));
  });

  test('two thousand processes at once are all told, and none outlives the run', async () => {
    const { output, events, result } = await observe([moments, 'many', '2000']);
    expect(output).toBe('born 2000 ended 2000\n');
    const born = events.flatMap((event) => (event.type === 'fork' ? [event.child] : []));
    expect(new Set(born).size).toBe(2000);
    expect(born).toHaveLength(2000);
    expect(result).toMatchObject({ exitStatus: 0, leftovers: [], counts: { forks: 2000 } });
  });

  test('a group of processes with threads is stopped and continued as often as natively', async () => {
    const { output } = await observe([moments, 'herd', '10']);
    expect(output).toBe('stops 80 continues 80 killed 8\n');
  });

  test('a process whose leader has ended can be quiesced', async () => {
    const { output, result } = await observe([moments, 'leaderless', '3'], {
      onExec: async (stop) => {
        if (String(stop.path) === '/bin/true') await stop.quiesce();
        return letGo();
      },
    });
    expect(output).toBe('true 0\n');
    expect(result).toMatchObject({ exitStatus: 3, leftovers: [] });
  });
});
