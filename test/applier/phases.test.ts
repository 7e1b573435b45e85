import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyPlan } from '../../src/applier/apply.js';
import { inPhases } from '../../src/planner/phases.js';
import { contentId } from '../plan/sample.js';
import { PlanBuilder } from './plans.js';
import { makeGuest, probe, snapshot } from './tree.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oua-phases-'));
  mkdirSync(join(folder, 'guest'));
  makeGuest(join(folder, 'guest'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const info = '/var/lib/dpkg/info/app';
const fresh = '/var/lib/dpkg/tmp.ci';

/** An upgrade as dpkg does it, with scripts that say what they find in a file. */
function upgrade(): PlanBuilder {
  const plan = new PlanBuilder();
  const call = (kind: 'preinst' | 'postrm' | 'postinst', path: string) =>
    plan.script(['cat', '/etc/app.conf'], { kind, path: Buffer.from(path) });
  const program = (path: string) => plan.file(path, probe(), { mode: 0o755 });
  const app = (content: string) => plan.file('/etc/app.conf', content, { mode: 0o640, gid: 33 });
  plan.files(app('colour = pink\n'), plan.put(fresh, 'directory'), program(`${fresh}/preinst`));
  call('preinst', `${fresh}/preinst`);
  plan.files(
    app('colour = red\n'),
    plan.put('/srv/app', 'directory', { mtime: { seconds: 5, nanoseconds: 0 } }),
  );
  // The old version's, which is another program afterwards.
  call('postrm', `${info}.postinst`);
  plan.files(
    plan.file(`${info}.postinst`, 'a new postinst', { mode: 0o755 }),
    program(`${info}.postrm`),
    plan.remove(`${fresh}/preinst`),
    plan.remove(fresh),
    // The agent must not take the directory's time for the file's.
    plan.remove('/srv/app'),
    plan.file('/srv/app', 'a file'),
  );
  call('postinst', `${info}.postrm`);
  return plan;
}

async function applied(order: 'log' | 'phases') {
  const root = join(folder, order);
  execFileSync('cp', ['--archive', join(folder, 'guest'), root]);
  const plan = upgrade();
  if (order === 'phases') {
    const { steps } = inPhases(plan.steps, (path) =>
      path.toString() === `${info}.postinst`
        ? { type: 'file', content: contentId(probe()) }
        : { type: 'absent' },
    );
    plan.steps.splice(0, Infinity, ...steps);
  }
  const file = join(folder, `${order}.ouplan`);
  await plan.write(file);
  const { scripts, kept, overwritten } = await applyPlan(file, { target: { kind: 'root', directory: root } });
  return { root, said: scripts.map(({ output }) => output.trim()), kept, overwritten };
}

test('a plan in phases runs each script, on other files, and leads to the same ones', async () => {
  const log = await applied('log');
  const phases = await applied('phases');
  expect(log.said).toEqual(['colour = pink', 'colour = red', 'colour = red']);
  expect(phases.said).toEqual(['colour = blue', 'colour = red', 'colour = red']);
  // The times of directories in which names have come and gone are those of now.
  const of = (root: string) =>
    snapshot(root).filter((line) => !/^(etc|srv|var\/lib\/dpkg(\/info)?) /.test(line));
  expect(of(phases.root)).toEqual(of(log.root));
  expect(readFileSync(join(phases.root, 'srv/app'), 'utf8')).toBe('a file');
  for (const { kept, overwritten } of [log, phases]) expect([...kept, ...overwritten]).toEqual([]);
});
