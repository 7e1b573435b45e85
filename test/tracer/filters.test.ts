/** Tracees that install seccomp filters: theirs work as they do natively, and do not lead around ours. */
import {
  compile,
  leftovers,
  letGo,
  natively,
  observe,
  removeFolder,
  start,
  uname,
  withCode,
  throughEachBackend,
  until,
} from './support.js';

const supervised = compile('supervised');

afterAll(removeFolder);
afterEach(() => until(() => leftovers().length === 0));

throughEachBackend(() => {
  test.each(['trace', 'trap', 'notify', 'kill'])(
    'a verdict to %s means what it means natively',
    async (verdict) => {
      const native = await natively([supervised, verdict]);
      for (const options of [{ uname }, { uname, onExec: letGo }, { hiddenProc: '/proc/nowhere' }]) {
        const { output, result } = await observe([supervised, verdict], options);
        expect(output).toBe(native.output);
        expect(result.exitStatus).toBe(native.status ?? 128 + (result.signal ?? 0));
      }
    },
  );

  test('an exec that a supervisor in the guest lets go past the handlers ends the run', async () => {
    const { run, output, stops } = start([supervised, 'notify', '/bin/echo', 'reached'], { onExec: letGo });
    await expect(run.result).rejects.toEqual(withCode('TRACE_FAILED'));
    expect(output()).not.toContain('reached');
    expect(stops).toHaveLength(1);
  });

  test('nor is it taken for an earlier one by the same name that failed', async () => {
    const command = [supervised, 'again', '/bin', 'echo', 'reached'];
    const { run, output, stops } = start(command, { onExec: letGo, execPaths: ['/bin'] });
    await expect(run.result).rejects.toEqual(withCode('TRACE_FAILED'));
    expect(output()).not.toContain('reached');
    expect(stops).toEqual([]);
    expect((await natively(command)).output).toBe('reached\n');
  });
});
