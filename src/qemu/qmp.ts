import { z } from 'zod';
import { OuaError } from '../base/errors.js';
import { Answer, type CallOptions } from './deadline.js';
import { LineSocket } from './line-socket.js';

const nothing = z.looseObject({});

/**
 * The QMP commands that we use and the shape of what they return ("QEMU QMP Reference Manual").
 * Members that nobody here reads are not listed, and pass.
 */
const qmpReturns = {
  qmp_capabilities: nothing,
  'query-status': z.looseObject({ status: z.string(), running: z.boolean() }),
  'query-name': z.looseObject({ name: z.string().optional() }),
  'query-version': z.looseObject({ package: z.string() }),
  'query-chardev': z.array(z.looseObject({ label: z.string(), filename: z.string() })),
  'query-named-block-nodes': z.array(z.looseObject({ 'node-name': z.string().optional(), file: z.string() })),
  'query-migrate': z.looseObject({ status: z.string().optional(), 'error-desc': z.string().optional() }),
  'query-pci': z.array(z.looseObject({ devices: z.array(z.looseObject({ qdev_id: z.string() })) })),
  'query-rx-filter': z.array(z.looseObject({ name: z.string() })),
  'qom-list': z.array(z.looseObject({ name: z.string(), type: z.string() })),
  'qom-get': z.unknown(),
  stop: nothing,
  cont: nothing,
  quit: nothing,
  'dump-guest-memory': nothing,
  migrate: nothing,
  'blockdev-add': nothing,
  'blockdev-del': nothing,
  'chardev-add': nothing,
  'chardev-remove': nothing,
  'object-add': nothing,
  'object-del': nothing,
  device_add: nothing,
  device_del: nothing,
  'human-monitor-command': z.string(),
} as const;

export type QmpCommand = keyof typeof qmpReturns;
export type QmpReturn<C extends QmpCommand> = z.infer<(typeof qmpReturns)[C]>;

/** An asynchronous message of QEMU: `STOP`, `RESUME`, `DEVICE_DELETED`, … */
export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What QEMU may say: a greeting, an event, a return or an error, told apart by the member present. */
const qmpMessage = z.looseObject({
  event: z.string().optional(),
  data: z.record(z.string(), z.unknown()).default({}),
  id: z.number().optional(),
  return: z.unknown().optional(),
  error: z.looseObject({ desc: z.string() }).optional(),
});

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_LINE_BYTES = 16 << 20;
const MAX_QUEUED_EVENTS = 1024;

/**
 * Events from the moment of the subscription on, in order. Subscribe before the command that causes them:
 * what comes in between is kept (the newest 1024).
 */
export class QmpEvents implements Disposable {
  readonly #wanted: ReadonlySet<string>;
  readonly #unsubscribe: (events: QmpEvents) => void;
  readonly #queue: QmpEvent[] = [];
  #waiting: Answer<QmpEvent> | undefined;
  #gone: OuaError | undefined;

  /** Made by {@link QmpClient.events}. */
  constructor(wanted: readonly string[], unsubscribe: (events: QmpEvents) => void) {
    this.#wanted = new Set(wanted);
    this.#unsubscribe = unsubscribe;
  }

  /**
   * The next event.
   * @throws OuaError `VM_UNREACHABLE` at the deadline or when the connection is lost, `INTERRUPTED`.
   */
  async next(options: CallOptions = {}): Promise<QmpEvent> {
    const queued = this.#queue.shift();
    if (queued) return queued;
    if (this.#gone) throw this.#gone;
    const what = `the event ${[...this.#wanted].join(' or ')}`;
    this.#waiting = new Answer<QmpEvent>(what, options.timeoutMs ?? DEFAULT_TIMEOUT_MS, options.signal);
    return this.#waiting.promise;
  }

  /** @internal */
  deliver(event: QmpEvent): void {
    if (!this.#wanted.has(event.event)) return;
    if (this.#waiting && !this.#waiting.settled) this.#waiting.resolve(event);
    else if (this.#queue.push(event) > MAX_QUEUED_EVENTS) this.#queue.shift();
  }

  /** @internal */
  fail(error: OuaError): void {
    this.#gone = error;
    this.#waiting?.reject(error);
  }

  [Symbol.dispose](): void {
    this.#unsubscribe(this);
  }
}

/** A client of QEMU's machine protocol (QMP) on a Unix socket. */
export class QmpClient implements Disposable {
  readonly path: string;
  readonly #pending = new Map<number, { command: QmpCommand; answer: Answer<unknown> }>();
  readonly #subscriptions = new Set<QmpEvents>();
  #socket: LineSocket | undefined;
  #greeting: Answer<undefined> | undefined;
  #gone: OuaError | undefined;
  #lastId = 0;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Connects, waits for the greeting and leaves negotiation mode.
   * QEMU serves one client at a time: a second one waits here until its deadline.
   * @throws OuaError `VM_UNREACHABLE`, `INTERRUPTED`.
   */
  static async connect(path: string, options: CallOptions = {}): Promise<QmpClient> {
    const client = new QmpClient(path);
    try {
      const greeting = new Answer<undefined>(
        `QEMU's greeting at ${path}`,
        options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
        options.signal,
      );
      client.#greeting = greeting;
      client.#socket = await LineSocket.connect({
        peer: 'QEMU',
        path,
        maxLineBytes: MAX_LINE_BYTES,
        onLine: (line) => client.#receive(line),
        onGone: (error) => client.#fail(error),
      });
      await greeting.promise;
      await client.execute('qmp_capabilities', {}, options);
      return client;
    } catch (error) {
      client[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Runs one command and returns its result.
   * @throws OuaError `VM_REFUSED` with QEMU's own words, `VM_UNREACHABLE`, `INTERRUPTED`.
   */
  async execute<C extends QmpCommand>(
    command: C,
    args: Readonly<Record<string, unknown>> = {},
    options: CallOptions = {},
  ): Promise<QmpReturn<C>> {
    if (this.#gone) throw this.#gone;
    const id = ++this.#lastId;
    const answer = new Answer<unknown>(
      `QEMU's command ${command}`,
      options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      options.signal,
    );
    this.#pending.set(id, { command, answer });
    try {
      if (!answer.settled)
        this.#socket?.send(JSON.stringify({ execute: command, arguments: args, id }) + '\n');
      const result = qmpReturns[command].safeParse(await answer.promise);
      if (!result.success) throw unexpected(`${command} returned ${z.prettifyError(result.error)}`);
      return result.data as QmpReturn<C>;
    } finally {
      this.#pending.delete(id);
    }
  }

  /** Subscribes to events by name. Dispose of it, or of the client, to end the subscription. */
  events(...names: readonly string[]): QmpEvents {
    const events = new QmpEvents(names, (ended) => this.#subscriptions.delete(ended));
    if (this.#gone) events.fail(this.#gone);
    this.#subscriptions.add(events);
    return events;
  }

  [Symbol.dispose](): void {
    this.#socket?.[Symbol.dispose]();
    this.#fail(new OuaError('VM_UNREACHABLE', `the connection to ${this.path} was closed`, 'connect again'));
  }

  #receive(line: string): void {
    const message = parse(line);
    const pending = message?.id === undefined ? undefined : this.#pending.get(message.id);
    if (message === undefined) {
      this.#socket?.[Symbol.dispose]();
      this.#fail(unexpected(`it said ${JSON.stringify(line.slice(0, 80))}`));
    } else if (message.event !== undefined) {
      for (const events of this.#subscriptions) events.deliver({ event: message.event, data: message.data });
    } else if ('QMP' in message) {
      this.#greeting?.resolve(undefined);
    } else if (message.error) {
      pending?.answer.reject(
        new OuaError(
          'VM_REFUSED',
          `QEMU refused ${pending.command}: ${message.error.desc}`,
          "see QEMU's log of this VM",
        ),
      );
    } else {
      pending?.answer.resolve(message.return);
    }
  }

  #fail(error: OuaError): void {
    this.#gone ??= error;
    this.#greeting?.reject(error);
    for (const { answer } of this.#pending.values()) answer.reject(error);
    for (const events of this.#subscriptions) events.fail(error);
  }
}

function parse(line: string) {
  try {
    return qmpMessage.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

function unexpected(what: string): OuaError {
  return new OuaError(
    'VM_UNREACHABLE',
    `what answers is not QEMU's QMP: ${what}`,
    'check that this is the QMP socket of the VM',
  );
}
