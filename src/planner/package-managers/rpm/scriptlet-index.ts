import type { RpmScriptKind } from '../../../plan/model.js';
import type { PackageScript } from '../package-manager.js';
import type { Scriptlet } from './scriptlets.js';

/** What shows of a scriptlet when rpm runs it. latin1. */
export interface RunningScriptlet {
  readonly program: readonly string[];
  readonly text: string | undefined;
  /** What comes after the file with the text. */
  readonly args: readonly string[];
  /** The package whose file rpm has open: the one that it installs. */
  readonly installing: string | undefined;
}

/** What runs while the package's own file is open. */
const installing = new Set<RpmScriptKind>(['pretrans', 'pre', 'post']);
/** What is given two counts: of the package that has the trigger, and of the one that sets it off. */
const packageTriggers = new Set<RpmScriptKind>(['triggerprein', 'triggerin', 'triggerun', 'triggerpostun']);
/** What is given the count 0: nothing of it is left. File triggers are given a 0 that says nothing. */
const atZero = (kind: RpmScriptKind) =>
  ['preun', 'postun', 'preuntrans', 'postuntrans'].includes(kind) || isFileTrigger(kind);

export const isFileTrigger = (kind: RpmScriptKind) => /^(trans)?filetrigger/.test(kind);

/**
 * The scriptlets that rpm may run. It names none when it runs it: what can be told is which have that text and that
 * program, and of these, which can be run now and with such arguments.
 */
export class ScriptletIndex {
  readonly #byText = new Map<string, Scriptlet[]>();

  add(scriptlets: readonly Scriptlet[]): void {
    for (const each of scriptlets) {
      const key = keyOf(each);
      const known = this.#byText.get(key) ?? [];
      if (!known.some((other) => other.package === each.package && other.kind === each.kind))
        this.#byText.set(key, [...known, each]);
    }
  }

  /** Undefined: no scriptlet has this text and program. Package or kind are `unknown` where several could be meant. */
  find(running: RunningScriptlet): (PackageScript & { readonly kind: RpmScriptKind }) | undefined {
    const all = this.#byText.get(keyOf(running));
    if (!all) return undefined;
    const able = all.filter(({ kind }) => canHave(kind, running));
    const now = able.filter((each) => runsNow(each, running.installing));
    const [left = all] = [now, able].filter((list) => list.length > 0);
    return {
      package: only(left.map((each) => each.package)) ?? 'unknown',
      kind: only(left.map((each) => each.kind)) ?? 'unknown',
    };
  }
}

const keyOf = ({ program, text }: Pick<Scriptlet, 'program' | 'text'>) =>
  [...program, '', text ?? '', String(text !== undefined)].join('\0');

function only<T>(values: readonly T[]): T | undefined {
  return new Set(values).size === 1 ? values[0] : undefined;
}

function canHave(kind: RpmScriptKind, { text, args }: RunningScriptlet): boolean {
  // A program alone is given no arguments.
  if (text === undefined) return true;
  if (packageTriggers.has(kind) !== (args.length === 2)) return false;
  return isFileTrigger(kind) ? args[0] === '0' : args[0] !== '0' || atZero(kind);
}

function runsNow({ kind, package: name }: Scriptlet, open: string | undefined): boolean {
  if (installing.has(kind)) return open === name;
  const triggered = packageTriggers.has(kind) || isFileTrigger(kind);
  return triggered || open === undefined;
}
