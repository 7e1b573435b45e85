import { connect, type Socket } from 'node:net';
import { errnoOf, OuaError } from '../base/errors.js';

export interface LineSocketOptions {
  /** What answers at the other end, for messages: `QEMU`, `the guest agent`. */
  readonly peer: string;
  readonly path: string;
  /** A longer line ends the connection: what the peer says is never collected without a bound. */
  readonly maxLineBytes: number;
  readonly onLine: (line: string) => void;
  /** Called once, when the connection is gone for whatever reason; never after `dispose`. */
  readonly onGone: (error: OuaError) => void;
}

/** Never part of JSON text: the guest agent marks the start of a fresh answer with it. */
const SENTINEL = 0xff;
const NEWLINE = 0x0a;

/**
 * A Unix stream socket that carries one text line per message, as QMP and the QEMU guest agent do.
 * A byte 0xff throws away what was received of the current line (`guest-sync-delimited`).
 */
export class LineSocket implements Disposable {
  readonly #socket: Socket;
  readonly #options: LineSocketOptions;
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #gone = false;

  private constructor(socket: Socket, options: LineSocketOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (error) => this.#fail(error.message, error));
    socket.on('close', () => this.#fail('it closed the connection'));
  }

  /**
   * Connects to `options.path`. Any wait for an answer is the caller's.
   * @throws OuaError `VM_UNREACHABLE` when nobody listens there.
   */
  static async connect(options: LineSocketOptions): Promise<LineSocket> {
    const socket = connect(options.path);
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve);
        socket.once('error', reject);
      });
    } catch (error) {
      socket.destroy();
      throw new OuaError(
        'VM_UNREACHABLE',
        `cannot reach ${options.peer} at ${options.path}: ${errnoOf(error) ?? String(error)}`,
        'check that the VM is started and that this is its socket',
        { cause: error },
      );
    }
    socket.removeAllListeners();
    return new LineSocket(socket, options);
  }

  send(data: string | Buffer): void {
    this.#socket.write(data);
  }

  [Symbol.dispose](): void {
    this.#gone = true;
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    let start = 0;
    for (let at = 0; at < chunk.length && !this.#gone; at++) {
      if (chunk[at] !== NEWLINE && chunk[at] !== SENTINEL) continue;
      this.#keep(chunk.subarray(start, at));
      const line = Buffer.concat(this.#partial).toString('utf8').trim();
      this.#partial = [];
      this.#partialBytes = 0;
      start = at + 1;
      if (chunk[at] === NEWLINE && line !== '' && !this.#gone) this.#options.onLine(line);
    }
    if (!this.#gone) this.#keep(chunk.subarray(start));
  }

  #keep(part: Buffer): void {
    this.#partialBytes += part.length;
    if (this.#partialBytes > this.#options.maxLineBytes)
      this.#fail(`it sent a line of more than ${this.#options.maxLineBytes} bytes`);
    else if (part.length > 0) this.#partial.push(part);
  }

  #fail(reason: string, cause?: unknown): void {
    if (this.#gone) return;
    this[Symbol.dispose]();
    this.#options.onGone(
      new OuaError(
        'VM_UNREACHABLE',
        `lost ${this.#options.peer} at ${this.#options.path}: ${reason}`,
        'check that the VM is still running',
        { cause },
      ),
    );
  }
}
