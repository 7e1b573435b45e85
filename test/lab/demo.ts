/**
 * The main job on a real VM: bring up a guest, suspend it, plan an update from outside, resume it with the
 * update, and prove from inside that it has it. The program is used through its command line, as by a user.
 */
import { execa } from 'execa';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { OuaError } from '../../src/base/errors.js';
import { sha256OfFile } from './cache.js';
import { proveUpdate, type Finding } from './proof.js';
import { TemporaryLab } from './suspended.js';

const json = process.argv.includes('--json');
const started = performance.now();
const seconds = () => (performance.now() - started) / 1000;
const say = (words: string) => process.stderr.write(`demo ${seconds().toFixed(1).padStart(6)} s  ${words}\n`);

const program = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

const planResult = z.looseObject({ seconds: z.number() });
const applyResult = z.looseObject({ onlineSeconds: z.number() });
const planSummary = z.looseObject({
  packages: z.array(
    z.looseObject({
      name: z.string(),
      architecture: z.string(),
      from: z.string().optional(),
      to: z.string().optional(),
    }),
  ),
  counts: z.looseObject({ put: z.number(), link: z.number(), remove: z.number(), scripts: z.number() }),
});

/** Runs `ouassister … --json` and returns its document. Its progress goes where ours goes. */
async function ouassister<T>(schema: z.ZodType<T>, ...args: string[]): Promise<T> {
  say(`ouassister ${args.join(' ')}`);
  const split = args.indexOf('--');
  const words = split < 0 ? [...args, '--json'] : args.toSpliced(split, 0, '--json');
  const { stdout, exitCode } = await execa(process.execPath, [program, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
    reject: false,
  });
  if (exitCode !== 0)
    throw new OuaError(
      'HOST_FAILED',
      `ouassister ${args[0]} ended with ${exitCode}: ${stdout}`,
      'see its words above',
    );
  return schema.parse(JSON.parse(stdout));
}

async function demo(lab: TemporaryLab) {
  const name = 'demo';
  await lab.up(name);
  const guest = await lab.suspend(name);
  const guestSeconds = seconds();

  const plan = join(guest.folder, 'update.ouplan');
  const before = await Promise.all([guest.disk, guest.memory].map(sha256OfFile));
  const planned = await ouassister(
    planResult,
    ...['plan', '--disk', guest.disk, '--memory', guest.memory, '--output', plan],
    ...['--run', 'apt-get update', '--run', 'apt-get -y install nginx'],
    ...['--', 'apt-get', '-y', 'install', '--only-upgrade', 'openssl', 'libssl3'],
  );
  const after = await Promise.all([guest.disk, guest.memory].map(sha256OfFile));
  const { packages, counts } = await ouassister(planSummary, 'show', plan);

  await lab.resume(name, { paused: true });
  const applied = await ouassister(applyResult, 'apply', plan, '--qmp', guest.qmp, '--qga', guest.agent);

  say('looking at the result from inside the guest');
  const upgraded = (wanted: string) => packages.some((item) => item.name === wanted && item.from && item.to);
  const findings: Finding[] = [
    { name: "planning left the guest's files alone", ok: before.join() === after.join(), detail: '' },
    { name: 'openssl and libssl3 were upgraded', ok: upgraded('openssl') && upgraded('libssl3'), detail: '' },
    ...(await proveUpdate(lab, name, packages)),
  ];
  const figures = {
    offline_seconds: planned.seconds,
    online_seconds: applied.onlineSeconds,
    packages: packages.length,
    files: counts.put + counts.link + counts.remove,
    scripts: counts.scripts,
    guest_seconds: guestSeconds,
    total_seconds: seconds(),
  };
  return { figures, findings };
}

function print({ figures, findings }: Awaited<ReturnType<typeof demo>>): void {
  if (json) {
    const machine = {
      cpus: cpus().length,
      model: cpus()[0]?.model,
      memoryBytes: totalmem(),
      node: process.version,
    };
    const cases = findings.map(({ name, ok, detail }) => ({ name, result: ok ? 'pass' : 'fail', detail }));
    process.stdout.write(JSON.stringify({ name: 'demo', machine, figures, cases }) + '\n');
    return;
  }
  const rows: [string, string][] = [
    ...findings.map(({ name, ok, detail }): [string, string] => [
      name,
      `${ok ? 'yes' : 'NO'}  ${detail}`.trim(),
    ]),
    ...Object.entries(figures).map(([key, value]): [string, string] => [
      key.replaceAll('_', ' '),
      Number.isInteger(value) ? String(value) : value.toFixed(1),
    ]),
  ];
  const width = Math.max(...rows.map(([key]) => key.length));
  process.stdout.write(rows.map(([key, value]) => `${key.padEnd(width)}  ${value}\n`).join(''));
}

const lab = await TemporaryLab.open(say);
// The guest's QEMU dies with us in any case; its folder is removed here.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void lab[Symbol.asyncDispose]().finally(() => process.exit(130)));
try {
  const result = await demo(lab);
  print(result);
  if (!result.findings.every(({ ok }) => ok)) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof OuaError)) throw error;
  process.stderr.write(`demo: ${error.message} (${error.code})\n  ${error.hint}\n`);
  process.exitCode = error.exitStatus;
} finally {
  await lab[Symbol.asyncDispose]();
}
