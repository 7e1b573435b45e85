import { spawnSync } from 'node:child_process';
import { readlinkSync, readFileSync } from 'node:fs';

const helper = new URL('../../src/sandbox/private-mounts.js', import.meta.url).href;
const script = `
  const { enterPrivateMountNamespace } = await import(${JSON.stringify(helper)});
  const { execFileSync } = await import('node:child_process');
  const { readlinkSync } = await import('node:fs');
  if (!process.env.OUASSISTER_OUTER_MOUNTS) console.log(process.pid);
  enterPrivateMountNamespace();
  enterPrivateMountNamespace();
  execFileSync('mount', ['-t', 'tmpfs', 'ouassister-private-test', '/mnt']);
  console.log(JSON.stringify({ pid: process.pid, namespace: readlinkSync('/proc/self/ns/mnt'), args: process.argv.slice(1) }));
  process.kill(process.pid, process.argv.at(-1));
  await new Promise((resolve) => setTimeout(resolve, 60_000));
`;

test('the program goes on in its own place, and its mounts end with it', () => {
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script, '--', 'a b', 'SIGKILL'], {
    encoding: 'utf8',
  });
  expect(child.stderr).toBe('');
  const [pid, report] = child.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  expect(report).toMatchObject({ pid, args: ['a b', 'SIGKILL'] });
  expect((report as { namespace: string }).namespace).not.toBe(readlinkSync('/proc/self/ns/mnt'));
  expect(child.signal).toBe('SIGKILL');
  expect(readFileSync('/proc/self/mountinfo', 'latin1')).not.toContain('ouassister-private-test');
});
