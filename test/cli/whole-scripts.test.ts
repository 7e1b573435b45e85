/** Scripts that act on the running system themselves, and not by a program that is known to: they are replayed whole. */
import { suspendedGuest, type SuspendedGuest } from '../lab/suspended.js';
import { Workbench } from './support.js';

/** What the postinst of a package does, and why that cannot happen offline; undefined: it can. */
const packages: Readonly<Record<string, { readonly does: string; readonly reason?: string }>> = {
  setting: {
    does: 'echo 1 > /proc/sys/vm/swappiness || :',
    reason: 'a write to /proc/sys/vm/swappiness',
  },
  parameter: {
    does: 'f=$(ls /sys/module/*/parameters/* | head -n 1); sh -c "echo 1 > $f" || :',
    reason: 'a write to /sys/module/',
  },
  mounting: {
    // umount2(2) of nothing.
    does: `perl -e 'my $nowhere = "/nowhere"; syscall(166, $nowhere, 0)'`,
    reason: 'umount2(2)',
  },
  // What it looks for may be what the action would have made.
  waiting: {
    does: 'systemctl daemon-reload; test -e /run/made-by-the-manager',
    reason: 'it ended with status 1 after live actions',
  },
  // Other packages' scripts look at the same files, or write to their own.
  reading: {
    does: 'cat /proc/sys/vm/swappiness /sys/module/*/parameters/* > /var/lib/read; echo 5 > /proc/self/oom_score_adj || :',
  },
};

let guest: SuspendedGuest;
let bench: Workbench;
beforeAll(async () => {
  guest = await suspendedGuest();
  bench = new Workbench();
});
afterAll(() => bench[Symbol.dispose]());

/** Makes the packages where they are installed. */
const script = [
  'cd /tmp',
  ...Object.entries(packages).flatMap(([name, { does }]) => [
    `mkdir -p ${name}/DEBIAN`,
    `printf '%s\\n' 'Package: oua-${name}' 'Version: 1' 'Architecture: all' 'Maintainer: n <n@n>' 'Description: n' > ${name}/DEBIAN/control`,
    `cat > ${name}/DEBIAN/postinst <<'EOT'\n#!/bin/sh\nset -e\n${does}\nEOT`,
    `chmod 755 ${name}/DEBIAN/postinst`,
    `dpkg-deb --build ${name} >/dev/null`,
  ]),
  `dpkg -i ${Object.keys(packages)
    .map((name) => `${name}.deb`)
    .join(' ')}`,
].join('\n');

interface ScriptRow {
  readonly package: string;
  readonly runs: string;
  readonly reason?: string;
}

test('each is replayed whole with its reason, and others are not', async () => {
  const output = bench.file('effects.ouplan');
  const run = await bench.run(
    ...['plan', '--disk', guest.disk, '--memory', guest.memory, '-o', output, '--', 'sh', '-ec', script],
  );
  expect(run).toMatchObject({ status: 0 });
  const { scripts } = await bench.document<{ scripts: ScriptRow[] }>('show', output, '--scripts', '--json');
  expect(scripts.map(({ package: name, runs, reason }) => [name, runs, reason])).toEqual(
    Object.entries(packages).map(([name, { reason }]) => [
      `oua-${name}`,
      reason === undefined ? 'offline' : 'replay',
      reason === undefined ? undefined : (expect.stringContaining(reason) as string),
    ]),
  );
  expect(bench.leftovers()).toEqual([]);
});
