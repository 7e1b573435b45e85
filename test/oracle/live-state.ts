import { OuaError } from '../../src/base/errors.js';
import type { Copy } from './copy.js';
import { fact, type Item } from './item.js';

export const guestKinds = ['root', 'vm'] as const;
export type CopyKind = (typeof guestKinds)[number];

/** Names and values in the output of a program. */
type Parse = (output: string) => Iterable<readonly [name: string, value: string]>;

interface Source {
  /** A command for the guest's shell. */
  readonly command: string;
  readonly parse: Parse;
  /** Whether it has said nothing when it exits with something else than 0 (`dpkg --verify` then has something to say). */
  readonly succeeds?: true;
  /** A container has the host's kernel: what is in that says nothing of a guest. */
  readonly kinds: readonly CopyKind[];
}

const lines = (output: string) => output.split('\n').filter((line) => line !== '');
/** The first so many words of a line are its name, the rest is its value. */
const named =
  (words: number): Parse =>
  (output) =>
    lines(output).map((line) => {
      const fields = line.trim().split(/\s+/);
      return [fields.slice(0, words).join(' '), fields.slice(words).join(' ')] as const;
    });
const whole: Parse = (output) => [['output', output]];
const last: Parse = (output) =>
  lines(output).map((line) => [line.slice(line.lastIndexOf(' ') + 1), line.slice(0, line.lastIndexOf(' '))]);

const both = guestKinds;
const status = '${binary:Package} ${Version} ${Status} ${Triggers-Pending} ${Triggers-Awaited}\\n';

const rpmFormat = '%{name}-%{evr}.%{arch} %{sigmd5} %{installcolor} %{filestates}\\n';
/** A manager that has much to do may not answer in time. */
const twice = (command: string) =>
  `answer=$(${command}) || answer=$(${command}); status=$?; printf '%s\\n' "$answer"; (exit $status)`;
const ifThere = (program: string, command: string) =>
  `if command -v ${program} >/dev/null; then ${command}; fi`;

/**
 * What is asked of a guest before it is ended, each as facts named `live:SOURCE/NAME`.
 */
const sources: Readonly<Record<string, Source>> = {
  audit: { command: 'dpkg --audit', parse: whole, kinds: both },
  verify: { command: 'dpkg --verify', parse: last, kinds: both },
  package: { command: `dpkg-query -W -f='${status}'`, parse: named(1), succeeds: true, kinds: both },
  rpm: { command: ifThere('rpm', `rpm -qa --qf '${rpmFormat}'`), parse: named(1), kinds: both },
  'rpm-verify': { command: ifThere('rpm', 'rpm -Va'), parse: last, kinds: both },
  diversion: { command: 'dpkg-divert --list', parse: last, kinds: both },
  statoverride: { command: 'dpkg-statoverride --list', parse: last, kinds: both },
  alternative: {
    command: 'update-alternatives --get-selections',
    parse: named(1),
    succeeds: true,
    kinds: both,
  },
  user: { command: 'getent passwd', parse: (output) => colons(output), succeeds: true, kinds: both },
  group: { command: 'getent group', parse: (output) => colons(output), succeeds: true, kinds: both },
  'unit-file': {
    command: twice('systemctl list-unit-files --plain --no-legend --no-pager'),
    parse: named(1),
    succeeds: true,
    kinds: both,
  },
  unit: {
    command: twice('systemctl list-units --all --plain --no-legend --no-pager'),
    succeeds: true,
    // load, active, sub; then comes a description
    parse: (output) => lines(output).map((line) => unit(line.trim().split(/\s+/))),
    kinds: both,
  },
  run: {
    // Left out: what the lab has there; logind's list of who wants no shutdown now, which apt does while it works; and the
    // numbers of udevd's watches, which count the disk that a plan comes on, as they would any other that came and went.
    command:
      "find /run \\( -path /run/oracle -o -path /run/host -o -path '/run/systemd/inhibit/*' -o -path '/run/udev/watch/*' \\) -prune -o -printf '/%P %y %m %U:%G %l\\n'",
    parse: (output) =>
      lines(output).map((line) => {
        const [, path = '', rest = ''] = /^(.*?) (\S \d+ \d+:\d+ .*)$/.exec(line) ?? [];
        return [path, rest] as const;
      }),
    kinds: both,
  },
  module: { command: 'cut -d " " -f 1 /proc/modules', parse: named(1), kinds: ['vm'] },
  sysctl: {
    // Those that can be set; the others are statistics.
    command: "find /proc/sys -type f -perm /200 -exec grep -H '' {} + 2>/dev/null",
    parse: (output) => joined(lines(output).map((line) => pair(line.replace('/proc/sys/', ''), ':'))),
    kinds: ['vm'],
  },
};

function colons(output: string): (readonly [string, string])[] {
  return lines(output).map((line) => pair(line, ':'));
}

function pair(line: string, separator: string): readonly [string, string] {
  const at = line.indexOf(separator);
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + separator.length)];
}

/** One fact of the values that have the same name. */
function joined(facts: readonly (readonly [string, string])[]): Iterable<[string, string]> {
  const values = new Map<string, string>();
  for (const [name, value] of facts) {
    const before = values.get(name);
    values.set(name, before === undefined ? value : `${before}\n${value}`);
  }
  return values;
}

function unit([name = '', load = '', active = '', sub = '']: readonly string[]): readonly [string, string] {
  return [name, `${load} ${active} ${sub}`];
}

const mark = '== oracle ==';

/**
 * Asks a copy everything at once.
 *
 * @throws OuaError `HOST_FAILED` when there is no answer: that is not one of nothing.
 */
export async function observeLive(copy: Copy, kind: CopyKind): Promise<[path: string, Item][]> {
  const asked = Object.entries(sources).filter(([, { kinds }]) => kinds.includes(kind));
  const script = asked.map(([, { command }]) => `${command}; echo "${mark} $?"`).join('\n');
  const { stdout, stderr } = await copy.run(['/bin/sh', '-c', script]);
  // Between each two of them the status of the first.
  const [first = '', ...rest] = stdout.split(`${mark} `);
  const outputs = [first, ...rest.map((text) => text.slice(text.indexOf('\n') + 1))];
  const failed = asked.filter(([, { succeeds }], index) => succeeds && !rest[index]?.startsWith('0\n'));
  if (rest.length !== asked.length || failed.length > 0)
    throw new OuaError(
      'HOST_FAILED',
      `the guest did not answer ${failed.map(([source]) => source).join(', ') || 'everything'}: ${stderr}`,
      'look into it',
    );
  return asked.flatMap(([source, { parse }], index) =>
    [...parse(outputs[index]!)].map(
      ([name, value]) => [`live:${source}/${name.replace(/^\//, '')}`, fact(value)] as [string, Item],
    ),
  );
}
