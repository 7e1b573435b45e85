import { suspendedGuest } from '../lab/suspended.js';
import type { Copy } from './copy.js';
import { observeLive } from './live-state.js';
import { openRootOriginal } from './root/original.js';

test('a running copy is asked for everything', async () => {
  await using original = await openRootOriginal(await suspendedGuest(), new AbortController().signal);
  await using copy = await original.reference();
  const changes = [
    'echo changed >> /etc/debconf.conf',
    'dpkg-statoverride --update --add root root 0700 /usr/bin/less',
    'dpkg-divert --no-rename --add /bin/ls',
    'mkdir -m 750 /run/mine',
    'ln -s /dev/null /etc/systemd/system/none.service && systemctl daemon-reload',
    'systemd-run --unit broken false || :',
    'while systemctl is-active broken; do sleep 0.1; done',
  ];
  expect((await copy.run(['/bin/sh', '-c', changes.join(' && ')])).exitStatus).toBe(0);
  const facts = new Map(
    (await observeLive(copy, 'vm')).map(([path, item]) => [path, item.aspect('content')]),
  );

  expect(Object.fromEntries(facts)).toMatchObject({
    'live:audit/output': '',
    'live:package/less': expect.stringMatching(/^\S+ install ok installed$/) as string,
    'live:verify/etc/debconf.conf': expect.stringContaining('5') as string,
    'live:statoverride/usr/bin/less': 'root root 700',
    'live:diversion/bin/ls.distrib': 'local diversion of /bin/ls to',
    'live:alternative/pager': 'auto /usr/bin/less',
    'live:user/root': expect.stringContaining(':0:0:') as string,
    'live:group/root': 'x:0:',
    'live:unit-file/none.service': expect.stringMatching(/^masked/) as string,
    'live:unit/systemd-journald.service': 'loaded active running',
    'live:unit/broken.service': 'loaded failed failed',
    'live:run/mine': expect.stringMatching(/^d 750 0:0/) as string,
    'live:sysctl/kernel/hostname': 'guest',
  });
  // What the lab itself has in the copy is no part of it.
  expect([...facts.keys()].filter((path) => path.startsWith('live:run/oracle'))).toEqual([]);
});

/** A copy in which every script prints something else than was asked for. */
const saying = (stderr: string, stdout: (script: string) => string) =>
  ({
    run: ([, , script]: readonly string[]) =>
      Promise.resolve({ exitStatus: 0, stdout: stdout(script!), stderr }),
  }) as unknown as Copy;

test('a copy that does not answer everything is an error', async () => {
  const copy = saying('gone', () => 'half');
  await expect(observeLive(copy, 'vm')).rejects.toMatchObject({ code: 'HOST_FAILED' });
});

test('no answer is not an answer of nothing', async () => {
  const copy = saying('timed out', (script) => script.replaceAll(/[^]*?(== oracle ==) \$\?"/g, '$1 1\n'));
  await expect(observeLive(copy, 'vm')).rejects.toMatchObject({
    code: 'HOST_FAILED',
    message: expect.stringMatching(/package, .*unit-file, unit: timed out/) as string,
  });
});
