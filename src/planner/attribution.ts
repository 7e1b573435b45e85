/** Which script and which package an event of an update belongs to. */
import { posix } from 'node:path';
import type { CallEvent } from '../tracer/call-event.js';
import type { ExecCall, TraceEvent } from '../tracer/tracer.js';
import type { PackageWork } from './package-managers/package-manager.js';
import { RunningScripts, type RunningScript } from './running-scripts.js';

export interface Owner {
  readonly step?: number;
  readonly package?: string;
}

/** latin1 keeps every byte of a name that is not UTF-8. */
const text = (name: Buffer): string => name.toString('latin1');

/**
 * What runs below a maintainer script belongs to that script and its package; what a package manager itself does, and
 * the helpers that it starts, to the package that it works on, as far as that shows (`PackageWork`). Anything else
 * belongs to neither: a guess that looks right would be worse than none.
 */
export class Attribution {
  readonly #scripts = new RunningScripts();
  readonly #works: readonly PackageWork[];
  /** Processes of package managers, outside of scripts. */
  readonly #workOf = new Map<number, PackageWork>();

  constructor(works: readonly PackageWork[]) {
    this.#works = works;
  }

  /** Takes note of births, deaths and new programs. `script`: what an exec runs. */
  follow(event: TraceEvent, script?: RunningScript): void {
    this.#scripts.follow(event, script);
    if (event.type === 'exit') this.#workOf.delete(event.pid);
    else if (event.type === 'fork' && !event.thread) this.#set(event.child, this.#workOf.get(event.pid));
    else if (event.type === 'exec' && event.call) this.#runs(event.pid, event.call, script);
  }

  /** Whose an exec is, once it was followed. */
  ofExec(pid: number): Owner {
    return this.#ofScript(pid) ?? known(this.#workOf.get(pid)?.current);
  }

  ofCall(event: CallEvent): Owner {
    return this.#ofScript(event.pid) ?? known(this.#workOf.get(event.pid)?.ownerOf(event));
  }

  #ofScript(pid: number): Owner | undefined {
    const script = this.#scripts.of(pid);
    return script && { step: script.step, package: script.package };
  }

  #runs(pid: number, call: ExecCall, script: RunningScript | undefined): void {
    const argv = call.argv.map(text);
    const program = posix.basename(text(call.absolutePath));
    const work = this.#workOf.get(pid);
    if (script) {
      work?.runs(script, argv);
      this.#workOf.delete(pid);
      return;
    }
    // What a script starts, a package manager too, is the script's.
    if (this.#scripts.of(pid)) return;
    const begun = this.#works.find((each) => each.begins(program));
    if (begun) this.#workOf.set(pid, begun);
    else work?.executes(program, argv);
  }

  #set(pid: number, work: PackageWork | undefined): void {
    if (work) this.#workOf.set(pid, work);
  }
}

const known = (owner: string | undefined): Owner => (owner === undefined ? {} : { package: owner });
