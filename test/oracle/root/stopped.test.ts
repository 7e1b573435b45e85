/** A guest in which a replay has stopped is one whose update has failed half way: dpkg itself goes on from there. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planUpdate } from '../../../src/planner/plan.js';
import { buildPackage, packageFile } from '../../cli/package.js';
import { suspendedGuest } from '../../lab/suspended.js';
import type { Copy } from '../copy.js';
import { openRootOriginal } from './original.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'oua-stopped-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const unit = '[Service]\nType=oneshot\nExecStart=/usr/bin/test -e /etc/ready\n';
const install = [
  buildPackage({
    version: '1',
    files: { '/lib/systemd/system/app.service': unit },
    control: { postinst: '#!/bin/sh\nset -e\nsystemctl start app\ntouch /var/lib/configured\n' },
  }),
  `dpkg -i ${packageFile('1')}`,
].join('\n');

const says = async (copy: Copy, command: string) => {
  const { exitStatus, stdout } = await copy.run(['/bin/sh', '-c', command]);
  return `${stdout}${exitStatus}`;
};
const state = (copy: Copy) =>
  says(copy, "dpkg-query --showformat '${db:Status-Status} ' --show app; ls /var/lib/configured");

test('dpkg configures later what a stopped replay has left', async () => {
  const { signal } = new AbortController();
  await using original = await openRootOriginal(await suspendedGuest(), signal);
  const { disk, memory } = original;
  const plan = join(folder, 'plan');
  await planUpdate({ disk, memory, output: plan, commands: [['/bin/sh', '-ec', install]], signal });

  await using inside = await original.reference();
  expect((await inside.run(['/bin/sh', '-ec', install])).exitStatus).toBe(1);
  await using stopped = await original.stopped(plan);
  for (const copy of [inside, stopped]) {
    expect(await state(copy)).toBe('half-configured 2');
    expect(await says(copy, 'dpkg --audit')).toMatch(/\n app +test\n/);
    // What it fails of is still there, and then it is not.
    expect(await says(copy, 'dpkg --configure -a')).toMatch(/1$/);
    expect(await state(copy)).toBe('half-configured 2');
    expect(await says(copy, 'touch /etc/ready; dpkg --configure -a')).toMatch(/0$/);
    expect(await state(copy)).toBe('installed /var/lib/configured\n0');
    expect(await says(copy, 'dpkg --audit')).toBe('0');
  }
});
