import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { loopDevicesOf } from '../loop-devices.js';

const program = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** How a run of the program ended. */
export interface CliResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a failed `--json` run prints. */
export interface ErrorDocument {
  readonly schemaVersion: string;
  readonly error: { readonly code: string; readonly message: string; readonly hint: string };
}

/**
 * A folder in which the program keeps all its temporary files, so that a test can tell its leftovers from
 * those of others. Runs the program as a user does.
 */
export class Workbench implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'ouassister-test-'));
  readonly scratch = mkdtempSync(join(this.folder, 'tmp-'));

  /** @param main what to run; ouassister itself unless told otherwise. */
  constructor(readonly main = program) {}

  /** A path for a file of the test's own. */
  file(name: string): string {
    return join(this.folder, name);
  }

  start(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    return execa(process.execPath, [this.main, ...args], {
      stdin: 'ignore',
      reject: false,
      env: { TMPDIR: this.scratch, NO_COLOR: '1', ...environment },
    });
  }

  async run(...args: string[]): Promise<CliResult> {
    const { exitCode, stdout, stderr } = await this.start(args);
    return { status: exitCode ?? -1, stdout, stderr };
  }

  /** A run whose standard output goes through another program, whose output it is then: for bytes that are no text. */
  async through(program: string, ...args: string[]): Promise<CliResult> {
    const { exitCode, stdout, stderr } = await this.start(args, {}).pipe(program);
    return { status: exitCode ?? -1, stdout, stderr };
  }

  /** The document of a run that must end well. */
  async document<T>(...args: string[]): Promise<T> {
    const { status, stdout, stderr } = await this.run(...args);
    if (status !== 0) throw new Error(`exit status ${status}: ${stderr}${stdout}`);
    return JSON.parse(stdout) as T;
  }

  /** Temporary files, mounts, loop devices, processes and cgroups that runs have left behind. */
  leftovers(): string[] {
    const names = (text: string) => text.split('\n').filter((line) => line.includes(this.scratch));
    return [
      ...readdirSync(this.scratch).map((name) => `file ${name}`),
      ...names(readFileSync('/proc/self/mounts', 'utf8')).map((line) => `mount ${line}`),
      ...loopDevicesOf(this.scratch).map((file) => `loop ${file}`),
      ...processes().flatMap(({ pid, text }) =>
        text.includes(this.scratch) ? [`process ${pid} ${text}`] : [],
      ),
    ];
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** One line with a code, one with a hint, no stack, the documented status, nothing left. */
export function expectRefusal(
  bench: Workbench,
  { status, stdout, stderr }: CliResult,
  code: string,
  exitStatus: number,
): void {
  const lines = stderr.trim().split('\n');
  expect(lines.at(-2)).toMatch(new RegExp(`^error: .+ \\[${code}\\]$`));
  expect(lines.at(-1)).toMatch(/^hint: .+/);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(stdout).toBe('');
  expect(status).toBe(exitStatus);
  expect(bench.leftovers()).toEqual([]);
}

/** Every process with its arguments and environment, where we may see them. */
function processes(): { pid: string; text: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const read = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'latin1').replaceAll('\0', ' ');
        return [{ pid, text: `${read('cmdline')}${read('environ')}` }];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}
