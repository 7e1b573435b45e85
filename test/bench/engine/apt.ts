import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OuaError } from '../../../src/base/errors.js';
import { ResourceStack } from '../../../src/base/resources.js';
import { createSandbox, type Sandbox } from '../../../src/sandbox/sandbox.js';
import type { ShadowFs } from '../../../src/shadow/fs/open.js';
import { tool } from '../../lab/tools.js';
import { fewestRounds, medianInterval, ratios, samplesOf, type Interval, type Sample } from '../pairs.js';
import type { Surroundings, Work } from '../work.js';
import { ensureArchive, type Archive } from './archive.js';
import { offerArchive, openStage, type Stage } from './stage.js';
import { startUnder, type Outcome, type Traced, type Tracer } from './tracers.js';

/** Some 230 packages with what they need: programs, Perl libraries, services, man pages, triggers. */
const packages = ['debhelper', 'devscripts', 'libcatalyst-perl', 'nginx-light'];
const shortPackages = ['ed', 'nginx-common'];

const variants: readonly Tracer[] = ['plain', 'ours', 'strace-bpf', 'audit', 'strace-audit', 'strace'];

/** apt installs packages from a local archive into a fresh shadow root, in the sandbox, their scripts really run. */
export async function openApt(around: Surroundings): Promise<Work<Tracer>> {
  const { resources, short, say, signal } = around;
  const names = short ? shortPackages : packages;
  const stage = resources.use(await openStage(say, signal));
  const archive = await openArchive(stage, names, around);
  let expected: string | undefined;
  const run = async (variant: Tracer): Promise<Sample> => {
    const { outcome, result } = await install(variant, names, stage, archive, signal);
    if (result !== (expected ??= result))
      throw new OuaError('HOST_FAILED', `under ${variant} other packages are installed`, 'report this');
    return outcome;
  };
  // The first one reads the guest's programs from the disk, and says what the others must lead to.
  await run('plain');
  return {
    variants,
    comparisons: variants.slice(1).map((variant) => [variant, 'plain'] as const),
    // They take two and five times as long as plain, so the other variants would wait most of the time.
    fewer: { 'strace-audit': fewestRounds, strace: fewestRounds },
    run,
    figures: (rounds) => {
      const ratio = (variant: Tracer) => medianInterval(ratios(rounds, [variant, 'plain']));
      return {
        apt_ratio: ratio('ours'),
        apt_strace_ratio: ratio('strace'),
        apt_strace_bpf_ratio: ratio('strace-bpf'),
        apt_audit_ratio: ratio('audit'),
        apt_audit_strace_bpf_ratio: ratio('strace-audit'),
        tracer_peak_mib: peak(samplesOf(rounds, 'audit')),
      };
    },
    facts: { packages: archive.versions },
  };
}

async function openArchive(stage: Stage, names: readonly string[], { say }: Surroundings): Promise<Archive> {
  await using shadow = await stage.freshRoot();
  return await ensureArchive(names, stage.name, shadow, say);
}

/** One run: its time, and a digest of what dpkg says is installed afterwards. */
async function install(
  tracer: Tracer,
  names: readonly string[],
  { guest, proc, freshRoot }: Stage,
  archive: Archive,
  signal: AbortSignal,
): Promise<{ outcome: Outcome; result: string }> {
  await using stack = new ResourceStack();
  const shadow = stack.use(await freshRoot());
  stack.use(await offerArchive(shadow, archive.folder));
  const script = 'apt-get -q update && apt-get -q -y --no-install-recommends install "$@"';
  const sandbox = stack.use(
    await createSandbox({
      root: shadow.root,
      command: ['/bin/sh', '-ec', script, 'sh', ...names],
      hostname: guest.uts.nodename,
      proc: proc.directory,
      lastPid: Math.max(...guest.processes().map(({ pid }) => pid)),
      signal,
    }),
  );
  // What the run before has left to write is not to be written during this one.
  await tool('sync', []);
  const traced = await startUnder(tracer, { argv: sandbox.launcher, armed: 'later', signal });
  await launched(sandbox, traced);
  const pid = sandbox.prepare();
  proc.attach(pid);
  await traced.arm(pid);
  await sandbox.start();
  const outcome = await traced.ended;
  return { outcome, result: installed(shadow) };
}

/**
 * Resolves once the container is made. The launcher's own end would say so, too, but under strace nobody hears of it;
 * the file with the first process's number is the last that it writes.
 */
async function launched(sandbox: Sandbox, { ended }: Traced): Promise<void> {
  const pidFile = sandbox.launcher[sandbox.launcher.indexOf('--pid-file') + 1]!;
  const failed = ended.then(() => {
    throw sandbox.failure();
  });
  failed.catch(() => undefined);
  while (!existsSync(pidFile)) await Promise.race([sleep(2), failed]);
}

function installed(shadow: ShadowFs): string {
  const status = readFileSync(join(shadow.root, 'var/lib/dpkg/status'), 'latin1');
  const lines = status.split('\n').filter((line) => /^(Package|Version|Status): /.test(line));
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

/** The most that any run took; a median would hide it. */
function peak(samples: readonly Sample[]): Interval {
  const mib = samples.map(({ peakBytes }) => (peakBytes ?? 0) / 2 ** 20);
  const { low, high } = medianInterval(mib);
  return { median: Math.max(...mib), low, high: Math.max(high, ...mib) };
}
