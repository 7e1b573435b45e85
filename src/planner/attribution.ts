/** Which script and which package an event of an update belongs to. */
import { posix } from 'node:path';
import type { CallEvent } from '../tracer/call-event.js';
import type { ExecCall, TraceEvent } from '../tracer/tracer.js';
import { DpkgWork } from './dpkg-work.js';
import type { MaintainerScript } from './maintainer-scripts.js';

/** A script call of the plan that runs, or its stand-in. */
export interface RunningScript extends MaintainerScript {
  /** Its step. */
  readonly step: number;
}

export interface Owner {
  readonly step?: number;
  readonly package?: string;
}

/** What a process works for; its children work for the same. */
interface Context {
  readonly script?: RunningScript;
  readonly dpkg?: DpkgWork;
}

/** latin1 keeps every byte of a name that is not UTF-8. */
const text = (name: Buffer): string => name.toString('latin1');
const nobody: Context = {};

/**
 * Follows the tree of processes. What runs below a maintainer script belongs to that script and its package; what
 * dpkg itself does, and the helpers that it starts, to the package that dpkg works on, as far as that shows
 * (`DpkgWork`). Anything else belongs to neither: a guess that looks right would be worse than none.
 */
export class Attribution {
  readonly #contexts = new Map<number, Context>();
  readonly #work: DpkgWork;

  constructor(work: DpkgWork = new DpkgWork()) {
    this.#work = work;
  }

  /** Takes note of births, deaths and new programs. `script`: what an exec runs. */
  follow(event: TraceEvent, script?: RunningScript): void {
    if (event.type === 'exit') this.#contexts.delete(event.pid);
    else if (event.type === 'fork' && !event.thread) this.#contexts.set(event.child, this.#of(event.pid));
    else if (event.type === 'exec' && event.call)
      this.#contexts.set(event.pid, this.#afterExec(this.#of(event.pid), event.call, script));
  }

  /** Whose an exec is, once it was followed. */
  ofExec(pid: number): Owner {
    const { script, dpkg } = this.#of(pid);
    return script ? { step: script.step, package: script.package } : known(dpkg?.current);
  }

  ofCall(event: CallEvent): Owner {
    const { script, dpkg } = this.#of(event.pid);
    return script ? { step: script.step, package: script.package } : known(dpkg?.ownerOf(event));
  }

  #of(pid: number): Context {
    return this.#contexts.get(pid) ?? nobody;
  }

  #afterExec(context: Context, call: ExecCall, script: RunningScript | undefined): Context {
    const argv = call.argv.map(text);
    if (script) {
      context.dpkg?.runs(script, argv);
      return { script };
    }
    // What a script starts, dpkg too, is the script's.
    if (context.script) return context;
    const program = posix.basename(text(call.absolutePath));
    if (program === 'dpkg') return { dpkg: this.#work.begin() };
    if (program === 'dpkg-deb') context.dpkg?.opens(argv);
    return context;
  }
}

const known = (owner: string | undefined): Owner => (owner === undefined ? {} : { package: owner });
