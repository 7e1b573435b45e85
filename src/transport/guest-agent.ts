import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { OuaError } from '../base/errors.js';
import { Answer, type CallOptions } from '../qemu/deadline.js';
import { LineSocket } from '../qemu/line-socket.js';

const nothing = z.looseObject({});

/** The guest agent commands that we use and the shape of what they return ("QEMU Guest Agent Protocol Reference"). */
const agentReturns = {
  'guest-ping': nothing,
  'guest-info': z.looseObject({
    version: z.string(),
    supported_commands: z.array(z.looseObject({ name: z.string(), enabled: z.boolean() })),
  }),
  'guest-sync-delimited': z.number(),
  'guest-exec': z.looseObject({ pid: z.number() }),
  'guest-exec-status': z.looseObject({
    exited: z.boolean(),
    exitcode: z.number().optional(),
    signal: z.number().optional(),
    'out-data': z.string().optional(),
    'err-data': z.string().optional(),
    'out-truncated': z.boolean().optional(),
    'err-truncated': z.boolean().optional(),
  }),
  'guest-file-open': z.number(),
  'guest-file-read': z.looseObject({ count: z.number(), 'buf-b64': z.string(), eof: z.boolean() }),
  'guest-file-write': z.looseObject({ count: z.number(), eof: z.boolean() }),
  'guest-file-flush': nothing,
  'guest-file-close': nothing,
  'guest-get-time': z.number(),
  'guest-set-time': nothing,
} as const;

export type AgentCommand = keyof typeof agentReturns;
export type AgentReturn<C extends AgentCommand> = z.infer<(typeof agentReturns)[C]>;

const agentMessage = z.looseObject({
  return: z.unknown().optional(),
  error: z.looseObject({ desc: z.string() }).optional(),
});

/** A program to run in the guest, as root, without a shell. */
export interface GuestCommand {
  readonly path: string;
  readonly args?: readonly string[];
  /** `NAME=value`; the agent's own environment when left out. */
  readonly env?: readonly string[];
  readonly input?: Buffer;
}

/** How a program in the guest ended. The agent keeps at most 16 MiB of each output. */
export interface GuestExit {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  readonly signal: number | undefined;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly truncated: boolean;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** Two outputs of 16 MiB in base64, and room to spare. */
const MAX_LINE_BYTES = 64 << 20;
const FILE_CHUNK_BYTES = 1 << 20;
/** A guest agent that is not up yet has lost, or will get late, what was sent: ask again, ever more slowly. */
const FIRST_SYNC_MS = 1_000;
const POLL_MS = { first: 20, most: 500 };

/**
 * A client of the QEMU guest agent on the host's end of its virtio-serial port.
 *
 * The agent answers in order and without ids, so calls run one after another, and after one that was given
 * up the next first synchronises (`guest-sync-delimited`). The agent is in the guest: nothing that it says
 * is believed beyond the shapes above.
 */
export class GuestAgent implements Disposable {
  readonly path: string;
  #socket: LineSocket | undefined;
  #onLine: (line: string) => void = () => undefined;
  #onGone: (error: OuaError) => void = () => undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #synchronised = false;
  #gone: OuaError | undefined;
  #lastSyncId = Math.floor(Math.random() * 2 ** 30);

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Connects and waits until the agent answers, which takes as long as the guest takes to boot.
   * @throws OuaError `VM_UNREACHABLE`, `INTERRUPTED`.
   */
  static async connect(path: string, options: CallOptions = {}): Promise<GuestAgent> {
    const agent = new GuestAgent(path);
    try {
      agent.#socket = await LineSocket.connect({
        peer: 'the guest agent',
        path,
        maxLineBytes: MAX_LINE_BYTES,
        onLine: (line) => agent.#onLine(line),
        onGone: (error) => agent.#fail(error),
      });
      await agent.#synchronise(options);
      return agent;
    } catch (error) {
      agent[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Runs one command of the agent and returns its result.
   * @throws OuaError `VM_REFUSED` with the agent's own words, `VM_UNREACHABLE`, `INTERRUPTED`.
   */
  async execute<C extends AgentCommand>(
    command: C,
    args: Readonly<Record<string, unknown>> = {},
    options: CallOptions = {},
  ): Promise<AgentReturn<C>> {
    const mine = this.#turn.then(async () => {
      if (this.#gone) throw this.#gone;
      if (!this.#synchronised) await this.#synchronise(options);
      return this.#call(command, args, options);
    });
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  /**
   * Starts a program in the guest and waits for its end. When the wait is given up the program runs on.
   * @throws OuaError as {@link execute}. A program that fails is not an error here.
   */
  async run(command: GuestCommand, options: CallOptions = {}): Promise<GuestExit> {
    const pid = await this.start(command, options);
    return this.wait(pid, options);
  }

  /** Starts a program in the guest and returns its process id there. */
  async start(command: GuestCommand, options: CallOptions = {}): Promise<number> {
    const { pid } = await this.execute(
      'guest-exec',
      {
        path: command.path,
        arg: command.args ?? [],
        ...(command.env && { env: command.env }),
        ...(command.input && { 'input-data': command.input.toString('base64') }),
        'capture-output': true,
      },
      { signal: options.signal },
    );
    return pid;
  }

  /** Waits for the end of a program that {@link start} started. The agent tells it once only. */
  async wait(pid: number, options: CallOptions = {}): Promise<GuestExit> {
    const deadline = Date.now() + (options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    for (let pause = POLL_MS.first; ; pause = Math.min(pause * 1.5, POLL_MS.most)) {
      const status = await this.execute('guest-exec-status', { pid }, { signal: options.signal });
      if (status.exited)
        return {
          exitCode: status.signal === undefined ? status.exitcode : undefined,
          signal: status.signal,
          stdout: Buffer.from(status['out-data'] ?? '', 'base64'),
          stderr: Buffer.from(status['err-data'] ?? '', 'base64'),
          truncated: (status['out-truncated'] ?? false) || (status['err-truncated'] ?? false),
        };
      if (Date.now() + pause > deadline)
        throw new OuaError(
          'VM_UNREACHABLE',
          `process ${pid} in the guest did not end within ${(options.timeoutMs ?? DEFAULT_TIMEOUT_MS) / 1000} s`,
          'look into the guest: the process still runs there',
        );
      // An abort ends the pause; the next call reports it.
      await sleep(pause, undefined, { signal: options.signal }).catch(() => undefined);
    }
  }

  /**
   * Reads a file of the guest.
   * @param maxBytes a longer file is an error: the guest decides how much it says.
   */
  async readFile(path: string, maxBytes: number, options: CallOptions = {}): Promise<Buffer> {
    const handle = await this.execute('guest-file-open', { path, mode: 'r' }, options);
    try {
      const parts: Buffer[] = [];
      for (let bytes = 0; ;) {
        const part = await this.execute('guest-file-read', { handle, count: FILE_CHUNK_BYTES }, options);
        const data = Buffer.from(part['buf-b64'], 'base64');
        bytes += data.length;
        if (bytes > maxBytes)
          throw new OuaError(
            'VM_REFUSED',
            `${path} in the guest is longer than ${maxBytes} bytes`,
            'the guest is not as expected: inspect it',
          );
        parts.push(data);
        if (part.eof || data.length === 0) return Buffer.concat(parts);
      }
    } finally {
      await this.execute('guest-file-close', { handle });
    }
  }

  /** Writes a file of the guest anew, with the agent's umask. */
  async writeFile(path: string, data: Buffer, options: CallOptions = {}): Promise<void> {
    const handle = await this.execute('guest-file-open', { path, mode: 'w' }, options);
    try {
      for (let at = 0; at < data.length;) {
        const part = data.subarray(at, at + FILE_CHUNK_BYTES);
        const { count } = await this.execute(
          'guest-file-write',
          { handle, 'buf-b64': part.toString('base64') },
          options,
        );
        if (count < 1 || count > part.length)
          throw new OuaError(
            'VM_REFUSED',
            `the guest wrote ${count} of ${part.length} bytes to ${path}`,
            "check the guest's free disk space",
          );
        at += count;
      }
    } finally {
      await this.execute('guest-file-close', { handle });
    }
  }

  /** Whether the connection is lost for good. */
  get gone(): boolean {
    return this.#gone !== undefined;
  }

  [Symbol.dispose](): void {
    this.#socket?.[Symbol.dispose]();
    this.#fail(new OuaError('VM_UNREACHABLE', `the connection to ${this.path} was closed`, 'connect again'));
  }

  async #call<C extends AgentCommand>(
    command: C,
    args: Readonly<Record<string, unknown>>,
    options: CallOptions,
  ): Promise<AgentReturn<C>> {
    const line = await this.#ask(
      command,
      JSON.stringify({ execute: command, arguments: args }) + '\n',
      options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      options.signal,
    );
    const message = parse(line);
    if (message?.error)
      throw new OuaError(
        'VM_REFUSED',
        `the guest agent refused ${command}: ${message.error.desc}`,
        "see the guest agent's configuration in the guest",
      );
    const result = agentReturns[command].safeParse(message?.return);
    if (!result.success) {
      this.#synchronised = false;
      throw new OuaError(
        'VM_UNREACHABLE',
        `the guest agent's answer to ${command} is not one: ${JSON.stringify(line.slice(0, 80))}`,
        'check that this is the guest agent socket of the VM',
      );
    }
    return result.data as AgentReturn<C>;
  }

  /** Sends one request and returns the next line. Out of step from the sending until the answer. */
  async #ask(
    what: string,
    data: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const answer = this.#expect<string>(`the guest agent's command ${what}`, timeoutMs, signal);
    this.#onLine = (line) => answer.resolve(line);
    this.#synchronised = false;
    if (!answer.settled) this.#socket?.send(data);
    const line = await answer.promise;
    this.#synchronised = true;
    return line;
  }

  async #synchronise(options: CallOptions): Promise<void> {
    const answer = this.#expect<undefined>(
      `the guest agent at ${this.path}`,
      options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      options.signal,
    );
    this.#onLine = (line) => {
      if (parse(line)?.return === this.#lastSyncId) answer.resolve(undefined);
    };
    let timer: NodeJS.Timeout | undefined;
    const ask = (patience: number) => {
      const request = { execute: 'guest-sync-delimited', arguments: { id: ++this.#lastSyncId } };
      this.#socket?.send(Buffer.from(`\u00ff${JSON.stringify(request)}\n`, 'latin1'));
      timer = setTimeout(() => ask(patience * 2), patience);
    };
    try {
      if (!answer.settled) ask(FIRST_SYNC_MS);
      await answer.promise;
      this.#synchronised = true;
    } finally {
      clearTimeout(timer);
    }
  }

  #expect<T>(what: string, timeoutMs: number, signal: AbortSignal | undefined): Answer<T> {
    const answer = new Answer<T>(what, timeoutMs, signal);
    if (this.#gone) answer.reject(this.#gone);
    this.#onGone = (error) => answer.reject(error);
    return answer;
  }

  #fail(error: OuaError): void {
    this.#gone ??= error;
    this.#onGone(error);
  }
}

function parse(line: string) {
  try {
    return agentMessage.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
