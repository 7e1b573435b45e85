/** Programs that do what breaks careless tracers: their output and status are the same with and without ours. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

const spawn = compile('spawn');
const stops = compile('stops');
const kills = compile('kills');
const identity = compile('identity');
const ownFilter = compile('own-filter');
const uname = compile('uname');
const badExecs = compile('bad-execs');

chmodSync(folder, 0o755);
const setuid = join(folder, 'setuid');
copyFileSync(identity, setuid);
chmodSync(setuid, 0o4755);

const capable = join(folder, 'capable');
copyFileSync('/bin/cat', capable);
execFileSync('setcap', ['cap_net_bind_service,cap_kill+ep', capable]);

const script = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o755 });
  return path;
};
const third = script('third', '#!/bin/sh\necho "$0" "$@"\nexit 9\n');
const second = script('second', `#!${third} of second\n`);
const first = script('first', `#!${second} of first\n`);
symlinkSync('/bin/sh', join(folder, 'link-to-sh'));

const ways = 'fork vfork clone clone-vm clone3 posix_spawn thread orphan-thread racing-threads';
const waysByDescriptor = 'fexecve memfd execveat relative-path';

const commands: readonly (readonly string[])[] = [
  ...`${ways} ${waysByDescriptor}`.split(' ').map((way) => [spawn, way, '/bin/sh', '-c', 'echo ran; exit 5']),
  ...ways.split(' ').map((way) => [spawn, way, '/nonexistent/program']),
  [stops],
  ...['uname', 'threads', 'fork', 'vfork', 'exec'].map((work) => [kills, work]),
  [identity, identity],
  [identity, setuid],
  [identity, capable, '/proc/self/status'],
  [ownFilter],
  [ownFilter, 'uname-too'],
  [uname],
  [uname, 'linux32'],
  [first, 'an argument'],
  [badExecs],
  [join(folder, 'link-to-sh'), '-c', 'cat /proc/$$/comm; tr "\\0" " " < /proc/$$/cmdline'],
  ['/bin/sh', '-c', 'for i in $(seq 200); do /bin/true & done; wait; echo all'],
  ['/bin/sh', '-c', 'kill -KILL $$'],
  ['/bin/sh', '-c', 'trap "echo usr1" USR1; kill -USR1 $$; (sleep 0.05; kill -TERM $$) & wait; wait'],
  ['/bin/sh', '-c', 'yes | head -3; readlink /proc/self/exe; pwd; ls -d /proc/self/fd/0'],
  ['/bin/sh', '-c', 'set -m; sleep 0.05 & wait %1; echo $?'],
  ['/bin/cat', '/proc/self/status'],
];

afterAll(removeFolder);
afterEach(() => until(() => leftovers().length === 0));

/** What must differ: ids, the number of switches, and that there is a tracer and a filter. */
const steady = (output: string) =>
  output
    .split('\n')
    .filter(
      (line) =>
        !/^(N?S?(tg|p|pg|s)id|PPid|TracerPid|Seccomp.*|.*ctxt_switches|Vm\w+|Rss\w+|Speculation\w+|SigQ|Cpus.*)\s*:/i.test(
          line,
        ),
    )
    .join('\n');

throughEachBackend(() => {
  test.each(commands.map((command) => [command.join(' ').replaceAll(folder, ''), command] as const))(
    '%s',
    async (_name, command) => {
      const native = await natively(command);
      // What dies with the main process may take its time on a busy machine.
      const grace = 10_000;
      const plain = await observe(command, { hiddenProc: '/proc/nowhere', grace });
      const asked = await observe(command, { onExec: letGo, grace });
      const audited = await observe(command, { audit: true, grace });
      for (const { output, result } of [plain, asked, audited]) {
        expect(steady(output)).toBe(steady(native.output));
        expect(result.exitStatus).toBe(native.status ?? 128 + (result.signal ?? 0));
        expect(result.leftovers).toEqual([]);
      }
      expect(asked.result.signal === undefined).toBe(native.signal === null);
    },
  );
});
