import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from './lab.js';

/** What the plan says of a package; `to` is undefined for a removed one. */
export interface ExpectedPackage {
  readonly name: string;
  readonly architecture: string;
  readonly to?: string | undefined;
}

export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  /** What was seen. */
  readonly detail: string;
}

/** How long a service may take to answer after the network is back: a hang guard. */
const PATIENCE_MS = 60_000;

/** Looks at an updated guest from inside, and through its network. */
export async function proveUpdate(
  lab: Lab,
  name: string,
  expected: readonly ExpectedPackage[],
): Promise<Finding[]> {
  const run = async (path: string, ...args: string[]) => {
    const { exitCode, stdout, stderr } = await lab.exec(name, { path, args });
    return {
      ok: exitCode === 0,
      out: stdout.toString().trim(),
      said: (stdout.toString() + stderr.toString()).trim(),
    };
  };
  const audit = await run('dpkg', '--audit');
  const check = await run('apt-get', 'check');
  const failed = await run('systemctl', 'list-units', '--failed', '--plain', '--no-legend');
  return [
    await httpAnswers(await lab.forwardedPort(name, 80)),
    installedVersions((await run('dpkg-query', '-W', `-f=${queryFormat}`)).out, expected),
    { name: 'dpkg --audit is empty', ok: audit.ok && audit.said === '', detail: firstLine(audit.said) },
    { name: 'apt-get check passes', ok: check.ok, detail: firstLine(check.said) },
    { name: 'no unit has failed', ok: failed.ok && failed.out === '', detail: firstLine(failed.out) },
  ];
}

const queryFormat = '${binary:Package} ${Architecture} ${Version} ${db:Status-Abbrev}\\n';

/** Compares `dpkg-query -W` with what was planned: each package fully installed in its new version, or gone. */
export function installedVersions(query: string, expected: readonly ExpectedPackage[]): Finding {
  const installed = new Map(
    query.split('\n').map((line) => {
      const [name = '', architecture = '', version = '', status = ''] = line.split(' ');
      return [`${name.replace(/:.*/, '')} ${architecture}`, { version, status }];
    }),
  );
  const wrong = expected.filter(({ name, architecture, to }) => {
    const found = installed.get(`${name} ${architecture}`);
    return to === undefined ? found?.status === 'ii' : found?.status !== 'ii' || found.version !== to;
  });
  const detail = wrong.length > 0 ? `not as planned: ${wrong.map(({ name }) => name).join(', ')}` : '';
  return {
    name: `dpkg shows ${expected.length} packages in their new versions`,
    ok: wrong.length === 0,
    detail,
  };
}

async function httpAnswers(port: number): Promise<Finding> {
  const name = 'nginx answers HTTP';
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(PATIENCE_MS) });
      const ok = response.status === 200 && (await response.text()).includes('nginx');
      return {
        name,
        ok,
        detail: `status ${response.status}, ${response.headers.get('server') ?? 'no server name'}`,
      };
    } catch (error) {
      if (Date.now() > deadline) return { name, ok: false, detail: String(error) };
      await sleep(500);
    }
  }
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}
