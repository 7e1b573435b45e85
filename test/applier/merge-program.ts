import { execFileSync, spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { mergeFormat } from '../../src/applier/stream.js';
import type { MergeFormat } from '../../src/plan/model.js';

const path = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const agent = path('native-shim/agent');
const sources = ['merge', 'records', 'formats', 'alternatives'].map((name) => join(agent, `${name}.c`));

type Text = string | Buffer;
export type Merged = { readonly text: string } | { readonly conflict: string };

/** The agent's merge as a program of its own, with every access to memory watched. */
export class MergeProgram {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<Buffer>;
  #pending = Buffer.alloc(0);

  private constructor(program: string) {
    this.#child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#answers = this.#child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  static start(): MergeProgram {
    const folder = mkdtempSync(join(tmpdir(), 'oua-merge-'));
    try {
      const program = join(folder, 'merge');
      const flags = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-D_GNU_SOURCE', '-O1', '-g'];
      const watch = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
      const source = path('test/applier/merge-program.c');
      execFileSync('cc', [...flags, ...watch, '-I', agent, '-o', program, source, ...sources]);
      return new MergeProgram(program);
    } finally {
      // The program runs on without its name; spawn() has started it when it returns.
      rmSync(folder, { recursive: true });
    }
  }

  /** @throws Error when the program has ended: it was caught at something. */
  async merge(format: MergeFormat, base: Text, planned: Text, current: Text): Promise<Merged> {
    const texts = [base, planned, current].map((text) => Buffer.from(text as string));
    const head = Buffer.alloc(16);
    [mergeFormat[format], ...texts.map((text) => text.length)].forEach((value, at) =>
      head.writeUInt32LE(value, 4 * at),
    );
    this.#child.stdin.write(Buffer.concat([head, ...texts]));
    const answer = await this.#take(8);
    const text = (await this.#take(answer.readUInt32LE(4))).toString('latin1');
    return answer.readUInt32LE(0) === 1 ? { text } : { conflict: text };
  }

  /** Ends it. Its exit status: 0 unless something was found, such as memory that it kept. */
  async stop(): Promise<number | null> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    const [status] = (await ended) as [number | null];
    return status;
  }

  async #take(size: number): Promise<Buffer> {
    while (this.#pending.length < size) {
      const answer = await this.#answers.next();
      if (answer.done) throw new Error('the merge program ended');
      this.#pending = Buffer.concat([this.#pending, answer.value]);
    }
    const taken = this.#pending.subarray(0, size);
    this.#pending = this.#pending.subarray(size);
    return taken;
  }
}
