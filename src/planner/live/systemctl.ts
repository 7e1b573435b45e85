/** systemctl(1): what acts, what asks, what only works on files. As of systemd 252. */
import { parseOptions, type CommandLine } from './options.js';
import { isGenerated, isPattern, unitName } from './unit-files.js';
import type { UnitState, Units } from './units.js';
import { answer, files, live, whole, type ProgramCall, type Verdict } from './verdict.js';

const valued = new Set([
  ...['property', 'p', 'P', 'type', 't', 'state', 'root', 'image', 'host', 'H', 'machine', 'M'],
  ...['signal', 's', 'kill-whom', 'kill-who', 'job-mode', 'lines', 'n', 'output', 'o', 'what', 'preset-mode'],
  ...['message', 'boot-loader-entry', 'timestamp', 'check-inhibitors'],
]);

/** What a verb makes of its units; `same`: those that run go on, the others do not. */
const actions: Readonly<Record<string, 'active' | 'inactive' | 'same'>> = {
  start: 'active',
  restart: 'active',
  'reload-or-restart': 'active',
  stop: 'inactive',
  condstop: 'inactive',
  reload: 'same',
  'try-restart': 'same',
  condrestart: 'same',
  'try-reload-or-restart': 'same',
  'force-reload': 'same',
  condreload: 'same',
};

/** They leave alone what does not run. */
const onlyRunning = /^(try-|cond)re|^force-reload$/;

/** About the manager and not about units. */
const managerActions = new Set([
  'daemon-reload',
  'daemon-reexec',
  'import-environment',
  'set-environment',
  'unset-environment',
]);

/** Those of them that have it run its generators. */
const reloads = new Set(['daemon-reload', 'daemon-reexec']);

/** Links and files below /etc/systemd, which it changes without a manager when it is given `--root`. */
const fileChanges = new Set([
  ...['enable', 'disable', 'reenable', 'preset', 'preset-all', 'mask', 'unmask', 'link', 'revert'],
  ...['add-wants', 'add-requires', 'set-default'],
]);
const fileQueries = new Set(['is-enabled', 'list-unit-files', 'get-default']);

/** They fail on a unit that the manager does not have in memory, which is known only of those that are active. */
const loadedActions = new Set(['reset-failed', 'kill']);

export function systemctl(call: ProgramCall, units: Units): Verdict {
  const line = parseOptions(call.argv, valued);
  const { options, words } = line;
  const [verb = 'list-units', ...names] = words;
  if (['root', 'image', 'version', 'help', 'h', 'global'].some((name) => options.has(name))) return files();
  if (options.has('user') || options.has('machine') || options.has('M'))
    return whole("a user's or a container's systemd");
  if (options.has('host') || options.has('H')) return whole("another machine's systemd");
  if (managerActions.has(verb)) {
    if (reloads.has(verb)) units.reloaded();
    return live;
  }
  const becomes = actions[verb];
  if (becomes) return act(verb, becomes, names, units);
  if (loadedActions.has(verb)) return actOnLoaded(verb, names, units);
  const script = handsOn(verb, line, units);
  if (script !== undefined) return whole(`systemctl ${verb} ${script}, which has an init script`);
  if (fileChanges.has(verb)) return change(call, verb, line, units);
  if (fileQueries.has(verb)) return files(withRoot(call.argv));
  return queries[verb]?.(line, names, units) ?? whole(`systemctl ${verb}`);
}

function act(
  verb: string,
  becomes: 'active' | 'inactive' | 'same',
  names: readonly string[],
  units: Units,
): Verdict {
  const failures = names.flatMap((name) =>
    isPattern(name) ? [] : (failureOf(verb, becomes, name, units) ?? []),
  );
  // It goes on with the others, and what it makes of them is in one action that fails.
  if (failures.length > 0 && failures.length < names.length)
    return whole(`systemctl ${verb} of several units, of which some cannot be had`);
  if (failures[0]) return answer(failures[0].status, '', failures.map(({ words }) => `${words}\n`).join(''));
  const running = names.some((each) =>
    isPattern(each) ? units.matching(each).length > 0 : units.state(each).active,
  );
  if (onlyRunning.test(verb) && !running) return answer(0);
  if (becomes !== 'same') units.became(becomes === 'active', names);
  return live;
}

/** systemctl(1), EXIT STATUS: that of the first unit it failed for. */
function failureOf(
  verb: string,
  becomes: 'active' | 'inactive' | 'same',
  name: string,
  units: Units,
): { readonly status: number; readonly words: string } | undefined {
  const { file, active } = units.state(name);
  if (file.state === 'masked' && becomes === 'active')
    return { status: 1, words: `Failed to ${verb} ${name}: Unit ${name} is masked.` };
  if (file.state === 'missing' && !active) {
    const what = becomes === 'inactive' ? 'loaded' : 'found';
    return { status: 5, words: `Failed to ${verb} ${name}: Unit ${name} not ${what}.` };
  }
  if (verb === 'reload' && !active) return { status: 1, words: `${name} is not active, cannot reload.` };
  return undefined;
}

/** Without names all that have failed are meant, and patterns match what is loaded. */
function actOnLoaded(verb: string, names: readonly string[], units: Units): Verdict {
  const unsure = names.find((name) => !isPattern(name) && !units.state(name).active);
  return unsure === undefined ? live : whole(`systemctl ${verb} ${unsure}, which is not active`);
}

/**
 * The name of which systemd-sysv-install(8) is told as well, which systemctl says, in words that show how it was called itself.
 * Only with a unit file is-enabled needs no script.
 */
function handsOn(verb: string, { options, words }: CommandLine, units: Units): string | undefined {
  if (!['enable', 'disable', 'is-enabled'].includes(verb) || options.has('quiet') || options.has('q'))
    return undefined;
  const native = (name: string) => verb === 'is-enabled' && units.hasFile(name);
  return words.slice(1).find((name) => units.hasInitScript(name) && !native(name));
}

/** A manager that changes unit files for a caller reads them again afterwards. */
function change({ argv }: ProgramCall, verb: string, { options, words }: CommandLine, units: Units): Verdict {
  const [program = 'systemctl'] = argv;
  const now =
    options.has('now') && { enable: 'start', reenable: 'start', disable: 'stop', mask: 'stop' }[verb];
  const names = words.slice(1);
  const becomes = now === 'start' ? 'active' : 'inactive';
  if (now && names.some((name) => !isPattern(name) && failureOf(now, becomes, name, units)))
    return whole(`systemctl ${verb} --now of a unit that cannot be had`);
  return {
    kind: 'both',
    done: () => {
      if (!options.has('no-reload')) units.reloaded();
      if (now) units.became(now === 'start', names);
    },
    argv: withRoot(argv),
    actions: [
      ...(options.has('no-reload') ? [] : [[program, 'daemon-reload']]),
      ...(now ? [[program, now, '--', ...names]] : []),
    ],
  };
}

/** The same on the files of the tree: what a manager would say of them, when there were one. */
function withRoot(argv: readonly string[]): string[] {
  const [program = 'systemctl', ...rest] = argv;
  return [program, '--root=/', ...rest.filter((word) => word !== '--now' && word !== '--system')];
}

type Query = (line: CommandLine, names: readonly string[], units: Units) => Verdict;

/** systemctl(1), EXIT STATUS: 0 active, 3 not, 4 no such unit. */
const activity: Query = ({ options }, names, units) => {
  const found = names.flatMap((name) =>
    isPattern(name) ? units.matching(name).map(() => true) : [units.state(name).active],
  );
  const quiet = options.has('quiet') || options.has('q');
  const output = quiet ? '' : found.map((active) => (active ? 'active\n' : 'inactive\n')).join('');
  return answer(found.some(Boolean) ? 0 : 3, output);
};

/** What failed is not known, but what is active did not. systemctl(1): 1 when none has failed. */
const failure: Query = ({ options }, names, units) => {
  const unsure = names.find((name) => isPattern(name) || !units.state(name).active);
  if (names.length === 0 || unsure !== undefined) return whole(`whether ${unsure ?? 'anything'} has failed`);
  return answer(1, options.has('quiet') || options.has('q') ? '' : names.map(() => 'active\n').join(''));
};

/** Each file with its path in a comment before it, an empty line between. */
const cat: Query = (_line, names, units) => {
  const found = names.map((name) => ({ name, files: units.files(units.state(name)) }));
  const unsure = found.find(({ name, files }) => isPattern(name) || files === undefined);
  if (unsure) return whole(`systemctl cat ${unsure.name}`);
  const missing = found.find(({ files }) => files?.length === 0);
  if (missing) return answer(1, '', `No files found for ${unitName(missing.name)}.\n`);
  const texts = found.flatMap(({ files }) => files!.map(({ path, text }) => `# ${path}\n${text}`));
  return answer(0, texts.join('\n'));
};

const status: Query = (_line, names, units) => {
  if (names.length === 0) return whole('systemctl status of the whole system');
  const found = names.map((name) => units.state(name));
  const missing = found.filter(({ file, active }) => file.state === 'missing' && !active);
  if (missing.length > 0)
    return answer(4, '', missing.map(({ name }) => `Unit ${name} could not be found.\n`).join(''));
  const text = found
    .map(({ name, active }) => `* ${name}\n     Active: ${active ? 'active' : 'inactive (dead)'}\n`)
    .join('\n');
  return answer(found.every(({ active }) => active) ? 0 : 3, text);
};

/** Only what unit files and the activity tell for sure. */
const properties: Readonly<Record<string, (state: UnitState, units: Units) => string>> = {
  Id: ({ name }) => name,
  ActiveState: ({ active }) => (active ? 'active' : 'inactive'),
  LoadState: ({ file }) => ({ missing: 'not-found', masked: 'masked', loaded: 'loaded' })[file.state],
  FragmentPath: ({ file }) => (file.state === 'loaded' && !isGenerated(file.path) ? file.path : ''),
  SourcePath: (state, units) => units.settings(state, 'Unit', 'SourcePath').at(-1) ?? '',
  CanReload: (state, units) =>
    units.settings(state, 'Service', 'ExecReload').length > 0 ||
    units.settings(state, 'Service', 'Type').at(-1) === 'notify-reload'
      ? 'yes'
      : 'no',
  Triggers: (state, units) =>
    /\.(socket|timer|path)$/.test(state.name)
      ? (['Socket', 'Timer', 'Path']
          .flatMap((section) => units.settings(state, section, section === 'Socket' ? 'Service' : 'Unit'))
          .at(-1) ?? state.name.replace(/\.[a-z]+$/, '.service'))
      : '',
};

const show: Query = ({ options }, names, units) => {
  const given = options.get('property') ?? options.get('p') ?? options.get('P');
  const wanted = given?.split(',').map((name) => [name, properties[name]] as const);
  if (!wanted || names.length === 0 || names.some(isPattern)) return whole('systemctl show of everything');
  const unknown = wanted.find(([, read]) => !read);
  if (unknown) return whole(`systemctl show of ${unknown[0]}`);
  const bare = options.has('value') || options.has('P');
  const text = names.map((name) =>
    wanted.map(([key, read]) => `${bare ? '' : `${key}=`}${read!(units.state(name), units)}\n`).join(''),
  );
  return answer(0, text.join('\n'));
};

/** Only by patterns, and of what is active: a whole list says more of each unit than is known. */
const list: Query = ({ options }, names, units) => {
  const states = options.get('state') ?? 'active';
  if (names.length === 0 || options.has('all') || options.has('a') || states !== 'active')
    return whole('systemctl list-units');
  const types = (options.get('type') ?? options.get('t'))?.split(',');
  const found = names
    .flatMap((name) => units.matching(name))
    .filter((name) => types?.some((type) => name.endsWith(`.${type}`)) ?? true);
  return answer(0, found.map((name) => `${name} loaded active\n`).join(''));
};

const queries: Readonly<Record<string, Query>> = {
  'is-active': activity,
  'is-failed': failure,
  cat,
  status,
  show,
  'list-units': list,
  // A system that was up when it was suspended, and that updates are brought to.
  'is-system-running': (_line, _names, units) =>
    units.state('default.target').active || units.state('multi-user.target').active
      ? answer(0, 'running\n')
      : whole('whether the system has started'),
};
