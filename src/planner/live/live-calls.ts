import { createHash } from 'node:crypto';
import { constants } from 'node:os';
import { posix } from 'node:path';
import type { Guest } from '../../guest/guest.js';
import { resolveInShadow } from '../../shadow/fs/read.js';
import type { CallEvent } from '../../tracer/call-event.js';
import type { ExecStop } from '../../tracer/tracer.js';
import { Accounts } from './accounts.js';
import { GuestSockets } from './guest-sockets.js';
import { liveRule } from './table.js';
import { UnitProcesses } from './unit-processes.js';
import { Units } from './units.js';
import type { Secret, Verdict } from './verdict.js';

/** Far above any real program that acts on a running system. */
const maximumProgram = 64 << 20;

/** What runs in the guest at the replay: one program, several times perhaps. */
export interface LiveActions {
  /** The name of its row. */
  readonly rule: string;
  /** Without symbolic links. */
  readonly path: Buffer;
  readonly sha256: string;
  readonly argvs: readonly (readonly Buffer[])[];
  /** `NAME=value` */
  readonly environment: readonly Buffer[];
  /** Pids of the guest's processes that are not there when it has run. */
  readonly gone: ReadonlySet<number>;
}

/** A verdict as the tracer and the plan take it: bytes, and what is needed to run it again. */
export type LiveVerdict =
  | { readonly kind: 'files'; readonly argv?: readonly Buffer[] }
  | Extract<Verdict, { kind: 'answer' | 'whole' }>
  | { readonly kind: 'live'; readonly actions: LiveActions; readonly passedOn: boolean }
  | {
      readonly kind: 'both';
      readonly argv?: readonly Buffer[];
      /** What is left to do when it has ended, with that status; undefined: nothing. */
      readonly ended: (status: number) => LiveActions | undefined;
      readonly secrets: readonly Secret[];
    };

/** What tells a program that debconf's frontend listens at its descriptor 3, debconf's confmodule: at the replay none does. */
const frontend = /^(DEBIAN_HAS_FRONTEND|DEBCONF_REDIR|DEBCONF_OLD_FD_BASE)=/;

/** Sockets that programs try and do without: what they write there, or ask, is not part of an update. */
const idleSockets = [
  /^\/dev\/log$/,
  /^(\/var)?\/run\/systemd\/(journal|userdb|notify)\b/,
  /^(\/var)?\/run\/(nscd|setrans)\//,
  /^\/run\/systemd\/resolve\//,
];

/** Tells what becomes of programs that may touch the running system, by the table and what is known of the guest. */
export class LiveCalls {
  readonly #root: string;
  readonly #units: Units;
  readonly #processes: UnitProcesses;
  readonly #accounts: Accounts;
  readonly #sockets: GuestSockets;

  /**
   * @param root the guest's `/` on the host, with its `/run`
   */
  constructor(root: string, guest: Pick<Guest, 'processes' | 'openFiles' | 'unixSockets'>) {
    this.#root = root;
    this.#units = new Units(root);
    this.#processes = new UnitProcesses(guest.processes(), this.#units);
    this.#accounts = new Accounts(root, this.#processes);
    this.#sockets = new GuestSockets(root, guest);
  }

  /** Why a call would have reached the running system; undefined: it would not. */
  reachedBy(event: CallEvent): string | undefined {
    const reason = reachedBy(event);
    const path = event.kind === 'connect' && event.address.family === 'unix' && event.address.path;
    // Nobody listens any more, so that the call has failed as it would have in the guest.
    return path && this.#sockets.isLeft(path.toString('latin1'), this.#processes.gone) ? undefined : reason;
  }

  /** Undefined: nothing to be looked at. An action that is told is taken as done by later questions. */
  decide(stop: ExecStop): LiveVerdict | undefined {
    const given = stop.absolutePath.toString('latin1');
    const rule = liveRule(given);
    // What a script does in a chroot of its own is about the files there: there is no manager.
    if (!rule || stop.root.length > 1) return undefined;
    const program = stop.readProgram(maximumProgram);
    const path = program && resolveInShadow(this.#root, given);
    if (!program || !path) return undefined;
    const argv = stop.argv.map((word) => word.toString('latin1'));
    const name = given.slice(given.lastIndexOf('/') + 1);
    const discards = stop.descriptor(1) === 'null';
    const environment = stop.environment.map((entry) => entry.toString('latin1'));
    const call = { name, path: given, argv, environment, discards };
    const verdict = rule.decide(call, this.#units, this.#accounts);
    const actions = (argvs: readonly (readonly string[])[]): LiveActions => {
      this.#accounts.acted();
      this.#processes.acted();
      return {
        rule: rule.directory ?? name,
        path,
        sha256: createHash('sha256').update(program).digest('hex'),
        argvs: argvs.map(words),
        environment: words(environment.filter((entry) => !frontend.test(entry))),
        gone: this.#processes.gone,
      };
    };
    // The replay is root, and would do for a user what the running system does not.
    if ((verdict.kind === 'live' || verdict.kind === 'both') && stop.uids()[1] !== 0)
      return { kind: 'whole', reason: `${name} as a user who is not root` };
    switch (verdict.kind) {
      case 'files':
        return { kind: 'files', ...(verdict.argv && { argv: words(verdict.argv) }) };
      case 'live':
        return { kind: 'live', actions: actions([argv]), passedOn: rule.passedOn ?? false };
      case 'both': {
        const secrets: Secret[] = [];
        for (const secret of verdict.secrets ?? []) {
          const found = this.#found(secret, stop);
          if (!found) return { kind: 'whole', reason: `${name}, which makes ${secret.path}` };
          secrets.push(found);
        }
        return {
          kind: 'both',
          ...(verdict.argv && { argv: words(verdict.argv) }),
          ended: (status) => {
            if (verdict.done && status !== 0) return undefined;
            verdict.done?.();
            return actions(verdict.actions);
          },
          secrets,
        };
      }
      case 'answer':
      case 'whole':
        return verdict;
    }
  }

  /** Where a file that is going to be made will be, without links. */
  #found(secret: Secret, { cwd }: ExecStop): Secret | undefined {
    const path = posix.resolve(cwd.toString('latin1'), secret.path);
    const folder = resolveInShadow(this.#root, posix.dirname(path));
    return folder && { ...secret, path: posix.join('/', folder.toString('latin1'), posix.basename(path)) };
  }
}

/** The same when all that ran at the suspend runs still. */
export function reachedBy(event: CallEvent): string | undefined {
  if (event.kind === 'effect') return `${event.call}(2)`;
  if (event.kind === 'netlink')
    return changesNetwork(event.message) ? 'a netlink message that changes the network' : undefined;
  if (event.kind !== 'connect' || event.errno !== constants.errno.ECONNREFUSED) return undefined;
  const { address } = event;
  if (address.family !== 'unix' || address.abstract) return undefined;
  const path = address.path.toString('latin1');
  return idleSockets.some((idle) => idle.test(path)) ? undefined : `a connection to ${path}`;
}

/** linux/rtnetlink.h: messages of routing netlink begin at `RTM_BASE`, in fours of which the third only asks. */
const changesNetwork = (message: number) => message >= 16 && message < 256 && message % 4 !== 2;

/** A program's own files, as the log of the shadow proc names them: they are about nothing but itself. */
const ownFiles = /^\/proc\/(self|\[pid\])\//;

/** Why a write to one of the kernel's files would have reached the running system; undefined: it would not. */
export function reachedByWrite(path: string): string | undefined {
  return ownFiles.test(path) ? undefined : `a write to ${path}`;
}

const words = (argv: readonly string[]): Buffer[] => argv.map((word) => Buffer.from(word, 'latin1'));
