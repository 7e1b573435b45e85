import { readFileSync } from 'node:fs';
import type { SyscallEntry } from '../../src/tracer/listing.js';
import { syscallsPage } from '../../src/tracer/page.js';
import { Workbench } from './support.js';

let bench: Workbench;
beforeEach(() => {
  bench = new Workbench();
});
afterEach(() => bench[Symbol.dispose]());

interface Document {
  readonly schemaVersion: string;
  readonly syscalls: readonly SyscallEntry[];
}
const documentOf = (...options: string[]) => bench.document<Document>('syscalls', '--json', ...options);
const page = new URL('../../../docs/syscalls.md', import.meta.url);

test('--json says what docs/syscalls.md says', async () => {
  const { schemaVersion, syscalls } = await documentOf();
  expect(schemaVersion).toBe('1.0');
  expect(syscallsPage(syscalls)).toBe(readFileSync(page, 'utf8'));
});

test('each option narrows the list', async () => {
  const names = async (...options: string[]) =>
    (await documentOf(...options)).syscalls.map(({ name }) => name);
  expect(await names('--support', 'refused')).toEqual(['ptrace', 'io_uring_setup']);
  expect(await names('--feature', 'exec')).toEqual(['execve', 'execveat', 'seccomp']);
  expect(await names('--feature', 'uname', '--abi', 'aarch64')).not.toContain('olduname');
});

test('people get a table with the numbers of one ABI', async () => {
  const lines = (await bench.run('syscalls', '--abi', 'i386')).stdout.split('\n');
  expect(lines[0]).toMatch(/^CALL +I386 +STOPS +IF +ANSWERED BY +FEATURE +SUPPORT +NOTE$/);
  expect(lines.filter((line) => /^ptrace +26 +never +EPERM +always +refused +/.test(line))).toHaveLength(1);
});

test('an ABI that is none is a wrong use', async () => {
  expect(await bench.run('syscalls', '--abi', 'vax')).toMatchObject({ status: 2, stdout: '' });
});
