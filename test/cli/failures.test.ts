import { existsSync } from 'node:fs';
import { sha256OfFile } from '../lab/cache.js';
import { suspendedGuest, type SuspendedGuest } from '../lab/suspended.js';
import { buildPackage, packageFile } from './package.js';
import { expectRefusal, Workbench, type ErrorDocument } from './support.js';

let guest: SuspendedGuest;
let bench: Workbench;
beforeAll(async () => {
  guest = await suspendedGuest();
  bench = new Workbench();
});
afterAll(() => bench[Symbol.dispose]());

const says = (text: string, status = 0) => `#!/bin/sh\necho "$0: $*: ${text}"\nexit ${status}\n`;

/** Plans commands that fail. */
async function fail(json: boolean, ...commands: string[]) {
  const plan = bench.file('failed');
  const images = ['--disk', guest.disk, '--memory', guest.memory];
  const last = commands.pop()!;
  const runs = commands.flatMap((line) => ['--run', line]);
  const result = await bench.run(
    ...['plan', ...images, '-o', plan, ...(json ? ['--json'] : []), ...runs, '--', 'sh', '-c', last],
  );
  expect(existsSync(plan)).toBe(false);
  return result;
}

test('a script that fails offline ends the plan with its own words, and the guest is untouched', async () => {
  const hashes = await Promise.all([guest.disk, guest.memory].map(sha256OfFile));
  // What comes after it would push its words out of sight.
  const chatter = 'sleep 1; for i in $(seq 300); do echo "more $i"; done';
  const result = await fail(
    false,
    buildPackage({ version: '1', control: { postinst: says('cannot do that', 3) } }),
    `dpkg -i ${packageFile('1')}; status=$?; ${chatter}; exit $status`,
  );
  expectRefusal(bench, result, 'UPDATE_FAILED', 7);
  expect(result.stderr).toMatch(
    /^error: .* ended with status 1: .*; the last script to fail was app\.postinst configure, with status 3 \[UPDATE_FAILED\]$/m,
  );
  // Above the error are the lines around the failure, and the last ones.
  const lines = result.stderr.split('\n');
  const gap = lines.lastIndexOf('  …');
  expect(lines.slice(gap - 230, gap).join('\n')).toContain('app.postinst: configure : cannot do that');
  expect(lines.slice(gap).join('\n')).toContain('  more 300\nerror: ');
  expect(await Promise.all([guest.disk, guest.memory].map(sha256OfFile))).toEqual(hashes);
});

test('an upgrade that fails is unwound by dpkg in the shadow, and all of it is told', async () => {
  const names = ['preinst', 'postinst', 'prerm', 'postrm'];
  const control = (version: string) =>
    Object.fromEntries(names.map((name) => [name, says(`${name} of ${version}`)]));
  const result = await fail(
    true,
    buildPackage({ version: '1', control: control('1') }) + `dpkg -i ${packageFile('1')}`,
    buildPackage({ version: '2', control: { ...control('2'), preinst: says('preinst of 2: no', 4) } }),
    `dpkg -i ${packageFile('2')} || { dpkg-query -W -f '\${Version} \${Status}\\n' app; exit 9; }`,
  );
  expect(result.status).toBe(7);
  const { error } = JSON.parse(result.stdout) as ErrorDocument & { error: { output: string } };
  expect(error.code).toBe('UPDATE_FAILED');
  expect(error.message).toContain('the last script to fail was app.preinst upgrade 1 2, with status 4');
  // Debian Policy 6.6, step 2: the new postrm, then the old postinst.
  expect(error.output).toMatch(
    /preinst of 2: no\n(.*\n)*.*abort-upgrade 1 2: postrm of 2\n(.*\n)*.*abort-upgrade 2: postinst of 1\n(.*\n)*1 install ok installed$/,
  );
});
