/** Which script and which package an event of an update belongs to. */
import { posix } from 'node:path';
import type { CallEvent } from '../tracer/call-event.js';
import type { ExecCall, TraceEvent } from '../tracer/tracer.js';
import { DpkgWork } from './dpkg-work.js';
import { RunningScripts, type RunningScript } from './running-scripts.js';

export interface Owner {
  readonly step?: number;
  readonly package?: string;
}

/** latin1 keeps every byte of a name that is not UTF-8. */
const text = (name: Buffer): string => name.toString('latin1');

/**
 * What runs below a maintainer script belongs to that script and its package; what dpkg itself does, and the helpers
 * that it starts, to the package that dpkg works on, as far as that shows (`DpkgWork`). Anything else belongs to
 * neither: a guess that looks right would be worse than none.
 */
export class Attribution {
  readonly #scripts = new RunningScripts();
  /** Processes of dpkg's, outside of scripts. */
  readonly #dpkg = new Set<number>();
  readonly #work: DpkgWork;

  constructor(work: DpkgWork = new DpkgWork()) {
    this.#work = work;
  }

  /** Takes note of births, deaths and new programs. `script`: what an exec runs. */
  follow(event: TraceEvent, script?: RunningScript): void {
    this.#scripts.follow(event, script);
    if (event.type === 'exit') this.#dpkg.delete(event.pid);
    else if (event.type === 'fork' && !event.thread && this.#dpkg.has(event.pid)) this.#dpkg.add(event.child);
    else if (event.type === 'exec' && event.call) this.#runs(event.pid, event.call, script);
  }

  /** Whose an exec is, once it was followed. */
  ofExec(pid: number): Owner {
    return this.#ofScript(pid) ?? known(this.#dpkg.has(pid) ? this.#work.current : undefined);
  }

  ofCall(event: CallEvent): Owner {
    return (
      this.#ofScript(event.pid) ?? known(this.#dpkg.has(event.pid) ? this.#work.ownerOf(event) : undefined)
    );
  }

  #ofScript(pid: number): Owner | undefined {
    const script = this.#scripts.of(pid);
    return script && { step: script.step, package: script.package };
  }

  #runs(pid: number, call: ExecCall, script: RunningScript | undefined): void {
    const argv = call.argv.map(text);
    const program = posix.basename(text(call.absolutePath));
    if (script) {
      if (this.#dpkg.delete(pid)) this.#work.runs(script, argv);
    } else if (this.#scripts.of(pid)) {
      // What a script starts, dpkg too, is the script's.
    } else if (program === 'dpkg') {
      this.#dpkg.add(pid);
      this.#work.begin();
    } else if (program === 'dpkg-deb' && this.#dpkg.has(pid)) this.#work.opens(argv);
  }
}

const known = (owner: string | undefined): Owner => (owner === undefined ? {} : { package: owner });
