/** Exec stops: what handlers see, in which order, and what their decisions do. */
import { chmodSync, closeSync, mkdirSync, openSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { nativeFiles } from '../../src/native/shim.js';
import type { ExecStop } from '../../src/tracer/tracer.js';
import {
  compile,
  environment,
  folder,
  leftovers,
  letGo,
  observe,
  removeFolder,
  start,
  until,
  withCode,
  throughEachBackend,
} from './support.js';

const spawn = compile('spawn');
const swap = compile('swap');
const i386 = compile('i386', ['-m32', '-nostdlib', '-static', '-ffreestanding', '-fno-stack-protector']);
const script = join(folder, 'package.postinst');
writeFileSync(script, '#!/bin/sh\necho "ran $@"\nexit 3\n', { mode: 0o755 });

afterAll(removeFolder);
afterEach(() => until(() => leftovers().length === 0));

const isScript = (stop: ExecStop) => stop.absolutePath.equals(Buffer.from(script));
const redirectScript = (stop: ExecStop) =>
  isScript(stop) ? ({ action: 'redirect', path: nativeFiles.stub } as const) : letGo();
const words = (strings: readonly Buffer[]) => strings.map((string) => string.toString('latin1'));

const ways = 'fork vfork clone clone-vm clone3 posix_spawn thread orphan-thread racing-threads'.split(' ');
const byDescriptor = ['fexecve', 'execveat', 'relative-path'];

throughEachBackend((backend) => {
  test('path, argv, environment, directory and order are recorded as they were given', async () => {
    const line = `cd /usr/lib && A='1 2' env -i B=x /bin/echo 'one  two' '' && exec /bin/echo last`;
    const { stops, output, result } = await observe(['sh', '-c', line], {
      onExec: letGo,
      environment: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    });
    expect(stops.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3]);
    expect(stops.map(({ argv }) => words(argv))).toEqual([
      ['sh', '-c', line],
      ['env', '-i', 'B=x', '/bin/echo', 'one  two', ''],
      ['/bin/echo', 'one  two', ''],
      ['/bin/echo', 'last'],
    ]);
    expect(stops.map(({ path }) => String(path))).toEqual([
      '/usr/bin/sh',
      '/usr/bin/env',
      '/bin/echo',
      '/bin/echo',
    ]);
    expect(stops.map(({ cwd }) => String(cwd))).toEqual([process.cwd(), '/usr/lib', '/usr/lib', '/usr/lib']);
    expect(words(stops[0]?.environment ?? [])).toEqual(['PATH=/usr/bin:/bin', 'LC_ALL=C']);
    expect(words(stops[1]?.environment ?? [])).toContain('A=1 2');
    expect(words(stops[2]?.environment ?? [])).toEqual(['B=x']);
    expect(stops[0]?.parent).toBe(process.pid);
    expect(stops[2]).toMatchObject({ pid: stops[1]?.pid, parent: stops[0]?.pid });
    expect(output).toBe('one  two \nlast\n');
    expect(result).toMatchObject({ exitStatus: 0, counts: { execs: 4, forks: 1 } });
  });

  test('only programs below the asked directories are held; the others are told', async () => {
    const { stops, events } = await observe(['/bin/sh', '-c', `/bin/echo one; ${script}; /bin/echo two`], {
      execPaths: ['/nowhere', folder],
      onExec: letGo,
    });
    expect(stops.map(({ absolutePath }) => String(absolutePath))).toEqual([script]);
    expect(stops[0]?.sequence).toBe(2);
    const told = events.flatMap((event) => (event.type === 'exec' && event.call ? [event] : []));
    expect(told.map(({ call }) => call?.sequence)).toEqual([0, 1, 2, 3]);
    expect(told.map(({ call }) => words(call?.argv ?? []).join(' ')).slice(1)).toEqual([
      '/bin/echo one',
      script,
      '/bin/echo two',
    ]);
    expect(told[1]?.parent).toBe(told[0]?.pid);
  });

  test('a directory that is asked about is named whole', async () => {
    const { stops } = await observe([script], { execPaths: [folder.slice(0, -1)], onExec: letGo });
    expect(stops).toEqual([]);
  });

  test.each([
    ['/usr', '../bin//./true', '/bin/true'],
    ['/', '/../../bin/true', '/bin/true'],
    ['/usr/lib', './../bin/../../bin/true', '/bin/true'],
  ])('in %s, %s is %s', async (directory, given, absolute) => {
    const { stops } = await observe(['/usr/bin/env', '-C', directory, given], { onExec: letGo });
    expect(String(stops.at(-1)?.absolutePath)).toBe(absolute);
    expect(String(stops.at(-1)?.path)).toBe(given);
  });

  test('names and arguments need be no text', async () => {
    const odd = Buffer.from([0x2f, 0xff, 0xfe, 0x0a, 0x80]);
    const strange = Buffer.concat([Buffer.from(folder), odd]);
    writeFileSync(strange, '#!/bin/sh\nprintf "%s" "$1"\n', { mode: 0o755 });
    const { stops, output } = await observe([strange, odd], {
      onExec: letGo,
      environment: [odd, Buffer.from('A=1')],
    });
    expect(stops[0]).toMatchObject({
      path: strange,
      absolutePath: strange,
      argv: [strange, odd],
      environment: [odd, Buffer.from('A=1')],
    });
    expect(output).toBe(odd.toString('latin1'));
  });

  test('arguments of 128 KiB and two megabytes of environment arrive whole', async () => {
    const long = 'x'.repeat(128 * 1024 - 1);
    const many = Array.from({ length: 20_000 }, (_, index) => Buffer.from(`V${index}=${'y'.repeat(50)}`));
    const { stops, output } = await observe(
      ['/bin/sh', '-c', 'printf %s "${#1}"; exec /bin/true', 'sh', long],
      {
        onExec: letGo,
        environment: many,
      },
    );
    expect(output).toBe(String(long.length));
    expect(stops[0]?.argv[4]?.length).toBe(long.length);
    const given = Buffer.concat(stops[0]?.environment ?? []);
    expect(given.equals(Buffer.concat(many))).toBe(true);
    expect(stops[1]?.environment.length).toBeGreaterThanOrEqual(many.length);
  });

  test.each([...ways, ...byDescriptor])('a script run by %s is seen once and redirected', async (way) => {
    const { stops, output, events, result } = await observe([spawn, way, script, 'configure'], {
      onExec: redirectScript,
    });
    const seen = stops.filter(isScript);
    if (way === 'racing-threads') expect(seen.length).toBeGreaterThan(0);
    else expect(seen).toHaveLength(1);
    expect(output).toBe('');
    expect(result.exitStatus).toBe(0);
    const redirected = events.filter((event) => event.type === 'exec' && event.redirected);
    expect(redirected).toHaveLength(1);
    expect(seen.map(({ sequence }) => sequence)).toContain(
      redirected[0]?.type === 'exec' ? redirected[0].call?.sequence : undefined,
    );
  });

  test('what standard streams are open on is told', async () => {
    const seen: Record<string, unknown[]> = {};
    const inside =
      '/bin/true both; /bin/true null 2>/dev/null; /bin/true closed >&-; /bin/true pipe 2</etc/passwd | cat';
    const { result } = await observe(['script', '-qec', inside, '/dev/null'], {
      onExec: (stop) => {
        if (String(stop.path) === '/bin/true')
          seen[String(stop.argv[1])] = [1, 2].map((fd) => stop.descriptor(fd));
        return letGo();
      },
    });
    expect(result.exitStatus).toBe(0);
    expect(seen).toEqual({
      both: ['terminal', 'terminal'],
      null: ['terminal', 'null'],
      closed: [undefined, 'terminal'],
      pipe: ['pipe', 'other'],
    });
  });

  test('a copy in memory is recognised by its bytes and redirected', async () => {
    const argv = ['stub', '5', 'said', ''].map((word) => Buffer.from(word));
    const stub = { action: 'redirect', path: nativeFiles.stub, argv } as const;
    const limit = 4 << 20;
    const { output, result } = await observe([spawn, 'memfd', '/bin/echo', 'hello'], {
      onExec: (stop) => {
        if (stop.path.length > 0) return letGo();
        expect(stop.readProgram(limit)?.subarray(1, 4).toString()).toBe('ELF');
        expect(String(stop.absolutePath)).toMatch(/^\/memfd:copy/);
        return stub;
      },
    });
    expect([output, result.exitStatus]).toEqual(['said', 5]);
  });

  test('what a 32-bit program executes is seen and redirected', async () => {
    const argv = ['stub', '0', 'said in its place', ''].map((word) => Buffer.from(word));
    const { stops, output } = await observe([i386], {
      onExec: (stop) =>
        String(stop.path) === '/bin/echo' ? { action: 'redirect', path: nativeFiles.stub, argv } : letGo(),
    });
    expect(output).toMatch(/said in its place$/);
    expect(words(stops[1]?.argv ?? [])).toEqual(['echo', 'from i386']);
    expect(words(stops[1]?.environment ?? [])).toEqual(['A=1']);
    expect(output).not.toContain('from i386');
  });

  test('the program is read as the tracee would find it: links inside its own root', async () => {
    const root = join(folder, `root-${backend}`);
    mkdirSync(join(root, 'bin'), { recursive: true });
    writeFileSync(join(root, 'target'), 'inside the root');
    symlinkSync('/target', join(root, 'bin/program'));
    symlinkSync('/bin/program', join(root, 'bin/twice'));
    const contents: (string | undefined)[] = [];
    await observe(['chroot', root, '/bin/twice'], {
      onExec: (stop) => {
        if (stop.root.length > 1 || String(stop.argv[0]) === '/bin/twice') {
          contents.push(stop.readProgram(100)?.toString());
          expect(String(stop.absolutePath)).toBe(join(root, 'bin/twice'));
        }
        return letGo();
      },
    });
    expect(contents).toEqual(['inside the root']);
  });

  test('a program that is not there, or is too long, is told apart', async () => {
    const programs: (Buffer | undefined)[] = [];
    const { events } = await observe(['sh', '-c', '/nonexistent; exec /usr/lib'], {
      onExec: (stop) => {
        if (stop.sequence > 0) programs.push(stop.readProgram(1000));
        return letGo();
      },
    });
    expect(programs).toEqual([undefined, undefined]);
    expect(events.filter(({ type }) => type === 'exec-failed')).toEqual([
      expect.objectContaining({ errno: 2, call: expect.objectContaining({ sequence: 1 }) as unknown }),
      expect.objectContaining({ errno: 13, call: expect.objectContaining({ sequence: 2 }) as unknown }),
    ]);
    const { run } = start(['/bin/true'], { onExec: (stop) => (stop.readProgram(10), letGo()) });
    await expect(run.result).rejects.toEqual(withCode('TRACE_FAILED'));
  });

  test.each([
    ['unasked, failed execs are not worth a stop', {}, []],
    ['with the full record they are told', { audit: true }, [{ errno: 2 }, { errno: 13 }]],
  ])('%s', async (_, options, told) => {
    const { events, output } = await observe(['sh', '-c', '/nonexistent; /usr/lib; /bin/echo on'], options);
    expect(events.filter(({ type }) => type === 'exec-failed')).toEqual(
      told.map((call) => expect.objectContaining(call) as unknown),
    );
    expect(output).toContain('on\n');
  });

  test('a call can be failed with an errno', async () => {
    const { output, result } = await observe(['sh', '-c', '/bin/true; echo $?'], {
      onExec: (stop) => (String(stop.path) === '/bin/true' ? { action: 'fail', errno: 13 } : letGo()),
    });
    expect(output).toContain('Permission denied');
    expect(output).toContain('126');
    expect(result.exitStatus).toBe(0);
  });

  test('handlers may take their time, and are called one at a time', async () => {
    let inside = 0;
    const { stops, result } = await observe(['sh', '-c', '/bin/true & /bin/true & /bin/true & wait'], {
      onExec: async () => {
        expect(++inside).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, 20));
        inside--;
        return letGo();
      },
    });
    expect([stops.length, result.exitStatus]).toEqual([4, 0]);
  });

  test('a path that is changed behind the handler never runs', async () => {
    const observation = start([swap, '/bin/true'], {
      onExec: async (stop) => {
        if (stop.sequence === 0) return letGo();
        await until(() => observation.output().endsWith('\n'));
        const memory = openSync(`/proc/${stop.pid}/mem`, 'r+');
        writeSync(memory, Buffer.from('/bin/echo\0'), 0, 10, Number(observation.output()));
        closeSync(memory);
        return letGo();
      },
    });
    await expect(observation.run.result).rejects.toEqual(withCode('TRACE_FAILED'));
    expect(observation.output()).not.toContain('swapped');
  });

  test('a redirect to what is not there, or cannot run, ends the run', async () => {
    const notExecutable = join(folder, 'not-executable');
    writeFileSync(notExecutable, 'x');
    chmodSync(notExecutable, 0o644);
    for (const path of ['/nonexistent/stub', notExecutable]) {
      const { run } = start(['sh', '-c', '/bin/echo reached; /bin/echo reached'], {
        onExec: (stop) => (stop.sequence === 0 ? letGo() : { action: 'redirect', path }),
      });
      await expect(run.result).rejects.toEqual(withCode('TRACE_FAILED'));
    }
  });

  test('a redirect to a script is refused: another program would run', async () => {
    const { run, output } = start(['sh', '-c', '/bin/echo reached'], {
      onExec: (stop) => (stop.sequence === 0 ? letGo() : { action: 'redirect', path: script }),
    });
    await expect(run.result).rejects.toEqual(withCode('TRACE_FAILED'));
    expect(output()).not.toContain('ran');
  });

  test('hundreds of processes at once are all seen', async () => {
    const { stops, result } = await observe(
      ['sh', '-c', 'for i in $(seq 300); do /bin/true $i & done; wait'],
      {
        onExec: letGo,
        environment,
      },
    );
    const numbers = stops
      .filter((stop) => String(stop.path) === '/bin/true')
      .map((stop) => Number(stop.argv[1]));
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
    expect(result.exitStatus).toBe(0);
  });
});
