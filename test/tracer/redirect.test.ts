/** What a redirect leaves as it was: the caller's memory, its siblings, and a chain of interpreters. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nativeFiles } from '../../src/native/shim.js';
import type { ExecStop } from '../../src/tracer/tracer.js';
import {
  compile,
  folder,
  leftovers,
  letGo,
  natively,
  observe,
  removeFolder,
  throughEachBackend,
  until,
} from './support.js';

const redZone = compile('red-zone', ['-mno-red-zone']);
const spawn = compile('spawn');

const script = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o755 });
  return path;
};
const second = script('second', '#!/bin/sh\necho "ran $0"\n');
const first = script('first', `#!${second}\n`);

afterAll(removeFolder);
afterEach(() => until(() => leftovers().length === 0));

const toStub = (path: string) => (stop: ExecStop) =>
  String(stop.path) === path ? ({ action: 'redirect', path: nativeFiles.stub } as const) : letGo();

throughEachBackend(() => {
  test("a vfork child's redirect leaves the red zone of the stack that it shares with its parent", async () => {
    const { output, events } = await observe([redZone, '/bin/false'], { onExec: toStub('/bin/false') });
    expect(output).toBe('intact 0\n');
    expect(events.filter((event) => event.type === 'exec' && event.redirected)).toHaveLength(1);
  });

  test.each(['/bin/false', '/nonexistent'])('so does an exec of %s that goes on', async (program) => {
    const { output } = await observe([redZone, program], { onExec: letGo });
    expect(output).toBe((await natively([redZone, program])).output);
    expect(output).toMatch(/^intact /);
  });

  test('so does one that is failed', async () => {
    const { output } = await observe([redZone, '/bin/false'], {
      onExec: (stop) => (stop.sequence === 0 ? letGo() : { action: 'fail', errno: 13 }),
    });
    expect(output).toBe('intact 13\n');
  });

  test.each([
    [
      'the stub, which says and returns what it is told',
      { action: 'redirect', path: nativeFiles.stub },
      'said\nnot\n7\n',
    ],
    ['the same program', { action: 'continue' }, '7 said\n not\n\n0\n'],
  ] as const)('an exec can be given other arguments, of %s', async (_name, decision, expected) => {
    const argv = ['echo', '7', 'said\n', 'not\n'].map((word) => Buffer.from(word));
    const { output, events } = await observe(
      ['sh', '-c', 'exec 2>&1; /bin/echo its own arguments; echo $?'],
      {
        onExec: (stop) => (String(stop.path) === '/bin/echo' ? { ...decision, argv } : letGo()),
      },
    );
    expect(output).toBe(expected);
    // What is told is the caller's own.
    expect(
      events.flatMap((event) => (event.type === 'exec' && event.call ? [String(event.call.argv[1])] : [])),
    ).toContain('its');
  });

  test("other arguments leave the red zone of the parent's stack, too, also when the program is not there", async () => {
    const argv = [Buffer.from('name'), Buffer.alloc(5000, 'x')];
    for (const path of ['/bin/false', '/nonexistent']) {
      const { output } = await observe([redZone, path], {
        onExec: (stop) => (stop.sequence === 0 ? letGo() : { action: 'continue', argv }),
      });
      expect(output).toBe((await natively([redZone, path])).output);
    }
  });

  test('programs can be named that are asked about, and others are not', async () => {
    const { stops } = await observe(['sh', '-c', '/bin/echo; /bin/true; /bin/false/x'], {
      onExec: letGo,
      execPaths: ['/bin/echo', '/bin/false'],
    });
    expect(stops.map((stop) => String(stop.path))).toEqual(['/bin/echo', '/bin/false/x']);
  });

  test('a chain of interpreters is one exec, and none of it runs when that is redirected', async () => {
    const whole = await observe([first], { onExec: letGo });
    expect(whole.output).toBe((await natively([first])).output);
    expect(whole.stops).toHaveLength(1);
    const { output, stops, result } = await observe(['sh', '-c', `${first}; echo $?`], {
      onExec: toStub(first),
    });
    expect([output, stops.length, result.exitStatus]).toEqual(['0\n', 2, 0]);
  });

  test('threads that race for an exec while others work: one program runs, redirected or not', async () => {
    for (let round = 0; round < 10; round++) {
      const redirected = round % 2 === 0;
      const { output, result, events } = await observe([spawn, 'racing-threads', second], {
        onExec: redirected ? toStub(second) : letGo,
      });
      expect(output).toBe(redirected ? '' : `ran ${second}\n`);
      expect(result).toMatchObject({ exitStatus: 0, leftovers: [] });
      expect(events.filter(({ type }) => type === 'exec')).toHaveLength(2);
    }
  });
});
