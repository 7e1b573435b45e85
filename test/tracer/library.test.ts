/** The engine as others use it: by its public names, from a program of their own. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { packUts } from 'ouassister/emulate';
import type { trace, TraceEvent } from 'ouassister/tracer';

/** That this compiles shows that the public names have types. */
export type Public = [typeof trace, typeof packUts, TraceEvent];

const example = fileURLToPath(new URL('../../../docs/examples/count-execs.mjs', import.meta.url));
const root = fileURLToPath(new URL('../../../', import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ouassister-library-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A program of so many sources, built by a make that another one starts. */
function writeProject(sources: number): void {
  const parts = join(folder, 'parts');
  const names = Array.from({ length: sources - 1 }, (_, index) => `part${index}`);
  mkdirSync(parts);
  for (const name of names) writeFileSync(join(parts, `${name}.c`), `int ${name}(void) { return 0; }\n`);
  writeFileSync(join(parts, 'main.c'), 'int main(void) { return 0; }\n');
  const objects = ['main', ...names].map((name) => `${name}.o`).join(' ');
  writeFileSync(join(parts, 'Makefile'), `program: ${objects}\n\t$(CC) -o $@ $^\n`);
  writeFileSync(join(folder, 'Makefile'), 'all:\n\t$(MAKE) -C parts\n');
}

const runExample = (...command: string[]) => execa('node', [example, ...command], { reject: false });

/** The example's report: how often each program ran, by its name. */
const countsIn = (report: string) =>
  Object.fromEntries(
    [...report.matchAll(/^ *(\d+) {2}(\/\S+)$/gm)].map(([, count, path = '']) => [
      basename(path),
      Number(count),
    ]),
  );

test('the example counts what a build runs', async () => {
  const sources = 8;
  writeProject(sources);
  const { stderr, stdout, exitCode } = await runExample('make', '-j2', '-C', folder);
  expect(exitCode).toBe(0);
  expect(stdout).toContain('cc -o program main.o part0.o');
  // GCC compiles with cc1 and as, and links with collect2, which runs ld.
  const expected = { make: 2, cc: sources + 1, cc1: sources, as: sources, collect2: 1, ld: 1 };
  expect(countsIn(stderr)).toEqual(expected);
  const inAll = Object.values(expected).reduce((sum, count) => sum + count);
  expect(stderr).toMatch(new RegExp(`^ +${inAll}  in all, by \\d+ processes and threads$`, 'm'));
});

test('the example ends as the command does', async () => {
  expect((await runExample('sh', '-c', 'exit 7')).exitCode).toBe(7);
});

test('the public names lead to the engine, and to nothing else', async () => {
  const listing = `
    import * as tracer from 'ouassister/tracer';
    import * as emulate from 'ouassister/emulate';
    console.log(Object.keys(tracer).join(), Object.keys(emulate).join());
    await import('ouassister/dist/src/tracer/bpf.js').catch(({ code }) => console.log(code));`;
  const { stdout } = await execa('node', ['--input-type=module', '--eval', listing], { cwd: root });
  expect(stdout).toBe('OuaError,trace packUts\nERR_PACKAGE_PATH_NOT_EXPORTED');
});
