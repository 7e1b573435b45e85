import type { SentSignal } from '../emulate/guest-signals.js';
import type { AuditDetails, AuditEvent, AuditKind } from '../plan/audit-event.js';
import type { PlanWriter } from '../plan/writer.js';
import type { CallEvent } from '../tracer/call-event.js';
import type { SocketAddress } from '../tracer/sockaddr.js';
import type { TraceEvent } from '../tracer/tracer.js';
import { Attribution, type Owner } from './attribution.js';
import type { PackageRun } from './package-managers/package-manager.js';
import type { RunningScript } from './running-scripts.js';

/** Writes the full event record of a plan, each event with its script and package. */
export class AuditTrail {
  readonly #writer: Pick<PlanWriter, 'auditEvent' | 'correctAudit'>;
  readonly #attribution: Attribution;
  /** Number of the next event, and of the first one after an archive was last opened. */
  #next = 0;
  #unpackedFrom = 0;

  constructor(writer: Pick<PlanWriter, 'auditEvent' | 'correctAudit'>, runs: readonly PackageRun[]) {
    this.#writer = writer;
    const onUnpack = () => (this.#unpackedFrom = this.#next);
    const onCorrection = (wrong: string, right: string) =>
      writer.correctAudit(this.#unpackedFrom, wrong, right);
    this.#attribution = new Attribution(runs.map((run) => run.work({ onUnpack, onCorrection })));
  }

  /** Follows what has happened; notes calls. */
  onTrace(event: TraceEvent, command: number, script?: RunningScript): void {
    this.#attribution.follow(event, script);
    if (event.type !== 'call') return;
    const { kind, details } = detailsOf(event);
    this.#write({ kind, command, pid: event.pid, ...details }, this.#attribution.ofCall(event));
  }

  /** Notes a program that runs, which `onTrace` was told of: number `execution` of the plan. */
  onExec(pid: number, command: number, execution: number): void {
    this.#write({ kind: 'exec', command, pid, execution }, this.#attribution.ofExec(pid));
  }

  /** A signal to a process of the guest. */
  onSignal({ sender, signal, target }: SentSignal, command: number): void {
    const event = { kind: 'signal', command, pid: sender, signal, target: target.pid } as const;
    this.#write(event, this.#attribution.ofExec(sender));
  }

  #write(event: AuditEvent, owner: Owner): void {
    this.#next = this.#writer.auditEvent({ ...event, ...owner }) + 1;
  }
}

/** What a call's event says, in the words of the plan. */
function detailsOf(event: CallEvent): { kind: AuditKind; details: AuditDetails } {
  switch (event.kind) {
    case 'open-write':
    case 'create': {
      const { kind, path, flags, mode } = event;
      return { kind, details: { path, flags, mode } };
    }
    case 'truncate':
      return { kind: event.kind, details: { path: event.path, size: event.size } };
    case 'rename':
      return { kind: event.kind, details: { path: event.path, other: event.from, flags: event.flags } };
    case 'link':
      return { kind: event.kind, details: { path: event.path, other: event.from } };
    case 'symlink':
      return { kind: event.kind, details: { path: event.path, other: event.target } };
    case 'remove':
      return { kind: event.kind, details: { path: event.path } };
    case 'mkdir':
    case 'mode':
      return { kind: event.kind, details: { path: event.path, mode: event.mode } };
    case 'mknod':
      return { kind: event.kind, details: { path: event.path, mode: event.mode, ...event.device } };
    case 'owner': {
      const { path, uid, gid } = event;
      return {
        kind: event.kind,
        details: { path, ...(uid !== undefined && { uid }), ...(gid !== undefined && { gid }) },
      };
    }
    case 'xattr':
      return {
        kind: event.removed ? 'xattr-removed' : 'xattr',
        details: { path: event.path, other: event.name },
      };
    case 'connect':
    case 'bind':
      return { kind: event.kind, details: { errno: event.errno, ...addressOf(event.address) } };
    case 'signal':
      return { kind: event.kind, details: { target: event.target, signal: event.signal } };
    case 'effect':
      return { kind: event.kind, details: { call: event.call, errno: event.errno } };
    case 'netlink': {
      const { kind, call, message, errno } = event;
      return { kind, details: { call, message, errno } };
    }
  }
}

function addressOf(address: SocketAddress): AuditDetails {
  switch (address.family) {
    case 'unix':
      return { family: address.abstract ? 'abstract' : 'unix', path: address.path };
    case 'inet':
    case 'inet6':
      return { family: address.family, host: address.host, port: address.port };
    case 'netlink':
      return { family: address.family, port: address.pid };
    case 'other':
      return { family: String(address.number) };
  }
}
