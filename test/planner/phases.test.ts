import fc from 'fast-check';
import {
  scriptKinds,
  type FileChange,
  type LiveAction,
  type ScriptCall,
  type Step,
} from '../../src/plan/model.js';
import { inPhases, type GuestPaths } from '../../src/planner/phases.js';
import { after, changedGuest, directory, file, FileModel, link, put, remove } from './file-model.js';

const script = (kind: ScriptCall['kind'], path: string, rest: Partial<ScriptCall> = {}) =>
  ({
    kind: 'script',
    call: {
      ...{ kind, package: 'app', path: Buffer.from(path), content: `${path} of app` },
      ...{ argv: [], environment: [], cwd: Buffer.from('/'), command: 0, runs: 'replay' },
      ...rest,
    },
  }) as const satisfies Step;

const action = (script: number | undefined, rest: Partial<LiveAction> = {}) =>
  ({
    kind: 'action',
    action: {
      ...{ rule: 'systemctl', path: Buffer.from('/bin/systemctl'), sha256: 'of systemctl', argv: [] },
      ...{ environment: [], cwd: Buffer.from('/'), command: 0, script },
      ...rest,
    },
  }) as const satisfies Step;

const files = (...changes: FileChange[]) => ({ kind: 'files', changes }) as const satisfies Step;
const copy = (path: string, content: string) => put(path, file(content));

const nothing: GuestPaths = () => ({ type: 'absent' });
const pathsOf =
  (guest: FileModel): GuestPaths =>
  (path) =>
    guest.at(path.toString()) ?? { type: 'absent' };

const info = '/var/lib/dpkg/info';
const fresh = '/var/lib/dpkg/tmp.ci';

test('what a step prints is in the files only when it runs before them', () => {
  const log: Step[] = [
    script('preinst', `${fresh}/preinst`, { content: 'preinst' }),
    script('postinst', `${info}/app.postinst`),
    files({
      ...put('/log', file('text')),
      outputs: [
        { offset: 1, step: 0 },
        { offset: 2, step: 1 },
      ],
    }),
  ];
  const { steps, places } = inPhases(log, nothing);
  const put1 = steps[places[2]!]!;
  expect(put1).toMatchObject({ changes: [{ outputs: [{ offset: 1, step: places[0] }] }] });
});

test('an upgrade is what comes before files, files, and what comes after', () => {
  const [prerm, postrm, postinst] = [`${info}/app.prerm`, `${info}/app.postrm`, `${info}/app.postinst`];
  const guest = new FileModel([
    ...['/', '/var', '/var/lib', '/var/lib/dpkg', info].map((path) => [path, directory()] as const),
    [prerm, file('old prerm')],
    [postrm, file('old postrm')],
    [postinst, file('old postinst')],
  ]);
  const preinst = script('preinst', `${fresh}/preinst`, { content: 'preinst' });
  const log: Step[] = [
    files(put('/usr', directory())),
    script('prerm', prerm, { content: 'old prerm' }),
    files(put(fresh, directory(0o755)), copy(`${fresh}/preinst`, 'preinst')),
    preinst,
    files(put('/usr/app', file('new'))),
    script('postrm', postrm, { content: 'old postrm' }),
    files(
      copy(prerm, 'new prerm'),
      copy(postrm, 'new postrm'),
      copy(postinst, 'new postinst'),
      remove(`${fresh}/preinst`),
      remove(fresh),
    ),
    script('postinst', postinst, { content: 'new postinst' }),
    { kind: 'triggers' },
  ];
  const { steps, places } = inPhases(log, pathsOf(guest));
  expect(steps).toEqual([
    log[1],
    files(put(fresh, directory()), copy(`${fresh}/preinst`, 'preinst')),
    preinst,
    files(remove(`${fresh}/preinst`), remove(fresh)),
    files(
      put('/usr', directory()),
      put(fresh, directory()),
      put('/usr/app', file('new')),
      copy(prerm, 'new prerm'),
      copy(postrm, 'new postrm'),
      copy(postinst, 'new postinst'),
      remove(`${fresh}/preinst`),
      remove(fresh),
    ),
    files(link(`${postrm}.ouassister-aside`, postrm), copy(postrm, 'old postrm')),
    log[5],
    files(link(postrm, `${postrm}.ouassister-aside`), remove(`${postrm}.ouassister-aside`)),
    log[7],
    log[8],
  ]);
  expect(places).toEqual([4, 0, 4, 2, 4, 6, 4, 8, 9]);
});

test('a script that is gone in the end runs from a copy, and one that ran offline does not', () => {
  const path = `${info}/app.postrm`;
  const purge = script('postrm', path, { content: 'postrm' });
  const gone = [files(remove('/usr/app')), purge, files(remove(path))];
  expect(inPhases(gone, nothing).steps).toEqual([
    files(remove('/usr/app'), remove(path)),
    files(copy(path, 'postrm')),
    purge,
    files(remove(path)),
  ]);
  const offline = script('postrm', path, { content: 'postrm', runs: 'offline' });
  expect(inPhases([gone[0]!, offline, gone[2]!], nothing).steps).toEqual([
    files(remove('/usr/app'), remove(path)),
    offline,
  ]);
});

test('actions go with their script, and those of none come after the files', () => {
  const log = [
    files(put('/a', file('1'))),
    script('postinst', '/one', { runs: 'offline' }),
    action(1),
    action(undefined),
    script('prerm', '/two', { runs: 'offline' }),
    files(put('/a', file('2'))),
    action(4),
    action(1),
  ];
  const { steps, places } = inPhases(log, nothing);
  expect(places).toEqual([2, 3, 4, 5, 0, 2, 1, 6]);
  expect(steps).toEqual([log[4], action(0), log[5], log[1], action(3), log[3], action(3)]);
});

test('programs are expected to be those that are there then', () => {
  const program = { path: Buffer.from('/bin/systemctl'), sha256: 'new' };
  const interpreter = { path: Buffer.from('/bin/dash'), interpreter: { sha256: 'newer', argument: 1 } };
  const guest: GuestPaths = (path) => ({ type: 'file', content: `guest's ${path.toString()}` });
  const log = [
    files(put('/bin/systemctl', file('new')), put('/bin/dash', file('newer'))),
    script('pre', '/bin/dash', interpreter),
    action(1, program),
    action(undefined, program),
    script('post', '/bin/dash', interpreter),
    files(put('/bin/systemctl', file('newest'))),
    action(undefined, { path: Buffer.from('/bin/other'), sha256: 'other' }),
  ];
  const told = inPhases(log, guest).steps.flatMap((step) => {
    if (step.kind === 'action') return step.action.sha256;
    return step.kind === 'script' ? (step.call.interpreter?.sha256 ?? []) : [];
  });
  expect(told).toEqual(["guest's /bin/dash", "guest's /bin/systemctl", 'newest', 'newer', 'other']);
});

test('nothing is nothing, and a log without files has none', () => {
  expect(inPhases([], nothing)).toEqual({ steps: [], places: [] });
  const log = [script('postinst', '/a'), script('preinst', '/b')];
  expect(inPhases(log, nothing)).toEqual({ steps: [log[1], log[0]], places: [1, 0] });
});

/** Paths at which a script can be: nothing of another type is in its way, be it before or after all changes. */
function scriptPaths(model: FileModel, others: readonly FileModel[]): string[] {
  const waysTo = (path: string) =>
    model.below('/').filter((way) => path === way || path.startsWith(`${way}/`));
  const free = (way: string) =>
    others.every((other) => (other.at(way) ?? model.at(way))?.type === model.at(way)!.type);
  return model.below('/').filter((path) => model.at(path)!.type === 'file' && waysTo(path).every(free));
}

/** A guest and a log in which each script is what was at its path at the call. */
const loggedGuest = fc
  .tuple(changedGuest, fc.array(fc.tuple(fc.nat(30), fc.constantFrom(...scriptKinds), fc.nat(100))))
  .map(([{ guest, changes }, calls]) => {
    const last = after(guest, [files(...changes)]);
    const model = guest.copy();
    const log: Step[] = [];
    const call = (at: number) => {
      for (const [when, kind, which] of calls.filter(([when]) => when === at)) {
        const scripts = scriptPaths(model, [guest, last]);
        const path = scripts[which % scripts.length];
        if (path === undefined) continue;
        const runs = which % 4 === 0 ? 'offline' : 'replay';
        const rest = { content: model.at(path)!.content!, runs, package: `p${log.length}` } as const;
        const number = log.push(script(kind, path, rest)) - 1;
        if (when % 2 === 0) log.push(action(which % 3 === 0 ? undefined : number));
      }
    };
    changes.forEach((change, at) => {
      call(at);
      const set = log.at(-1);
      // Some sets have several changes.
      if (set?.kind === 'files' && at % 3 !== 0) log.splice(-1, 1, files(...set.changes, change));
      else log.push(files(change));
      model.apply(change);
    });
    call(changes.length);
    return { guest, log };
  });

const before = new Set<string>([
  ...['preinst', 'prerm', 'pretrans', 'pre', 'preun', 'preuntrans', 'triggerprein', 'triggerun'],
  ...['filetriggerun', 'transfiletriggerun'],
]);

test('whatever the log: the same files in the end, the same calls, each with its script in its place', () => {
  fc.assert(
    fc.property(loggedGuest, ({ guest, log }) => {
      const { steps, places } = inPhases(log, pathsOf(guest));
      expect(after(guest, steps).snapshot()).toEqual(after(guest, log).snapshot());

      expect(places).toHaveLength(log.length);
      const calls = (of: readonly Step[]) =>
        of.flatMap((step) => (step.kind === 'script' ? [step.call] : []));
      const early = ({ kind }: ScriptCall) => before.has(kind);
      expect(calls(steps)).toEqual([
        ...calls(log).filter(early),
        ...calls(log).filter((call) => !early(call)),
      ]);
      log.forEach((step, number) => {
        const moved = steps[places[number]!]!;
        expect(moved.kind).toBe(step.kind);
        if (step.kind === 'script') expect(moved).toEqual(step);
        if (step.kind !== 'action' || moved.kind !== 'action') return;
        const own = step.action.script;
        expect(moved.action.script).toBe(own === undefined ? undefined : places[own]);
      });

      const now = guest.copy();
      for (const step of steps) {
        if (step.kind === 'files') for (const change of step.changes) now.apply(change);
        else if (step.kind === 'script' && step.call.runs === 'replay')
          expect(now.at(step.call.path.toString())?.content).toBe(step.call.content);
      }
    }),
    { numRuns: 2000 },
  );
});
