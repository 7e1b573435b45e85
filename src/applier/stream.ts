import { closeSync, openSync, writeSync } from 'node:fs';
import type {
  ContentId,
  FileChange,
  FileType,
  Merge,
  MergeFormat,
  Precondition,
  ScriptCall,
  Step,
  TerminalStreams,
} from '../plan/model.js';
import type { PlanReader } from '../plan/reader.js';

/** `st_mode` bits of each type: stat(2), `S_IFMT`. */
const typeBits: Record<FileType, number> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  fifo: 0o010000,
  socket: 0o140000,
  char: 0o020000,
  block: 0o060000,
};

/** A program that the agent runs. */
interface Program extends Pick<ScriptCall, 'path' | 'argv' | 'environment' | 'cwd' | 'terminal'> {
  readonly sha256: string;
  /** Which word of argv becomes the name of a file with the text. */
  readonly text?: { readonly argument: number; readonly bytes: Buffer };
  readonly input?: Buffer;
}

/** As `enum record_kind` and `enum step_kind` in native-shim/agent/stream.h, where the format is described. */
const record = {
  identity: 1,
  precondition: 2,
  step: 3,
  put: 4,
  link: 5,
  remove: 6,
  script: 7,
  end: 8,
} as const;
/** As `enum merge_format`. */
export const mergeFormat: Record<MergeFormat, number> = {
  accounts: 1,
  shadow: 2,
  ranges: 3,
  status: 4,
  debconf: 5,
  diversions: 6,
  statoverride: 7,
  triggers: 8,
  alternatives: 9,
};
/** As `enum terminal_use`. */
const terminalUse: Record<TerminalStreams, number> = { output: 1, errors: 2, both: 3 };
const stepKind = { files: 1, script: 2, triggers: 3, action: 4 } as const;

/**
 * What becomes of a replay in which a script or a live action fails: it is taken back, or it ends there and what is
 * done stays. As `enum on_failure` in stream.h.
 */
export const onFailureChoices = ['rollback', 'stop'] as const;
export type OnFailure = (typeof onFailureChoices)[number];
const onFailureNumber: Record<OnFailure, number> = { rollback: 0, stop: 1 };

const magic = Buffer.from('OUAplay\n');
const streamVersion = 5;
const headerSize = 64;
const dayMilliseconds = 86_400_000;

/** What a laid out stream amounts to. */
export interface StreamLayout {
  /** Of the plan, those too that are over with the planning. */
  readonly steps: number;
  /** Size of the file. */
  readonly bytes: number;
}

/**
 * Lays out the replay stream of a plan: all that the agent needs, in the order in which it needs it, each
 * content once and uncompressed. Everything in the plan has been read and checked when this returns.
 *
 * @param path must not exist; readable by its owner only
 * @throws OuaError `PLAN_DAMAGED` when a content is not what the plan says.
 */
export function writeStream(plan: PlanReader, path: string, onFailure: OnFailure = 'rollback'): StreamLayout {
  const records = new RecordWriter();
  const contents = new ContentLayout(plan);
  const { guest } = plan.header;
  records.add(record.identity, (body) =>
    body
      .text(guest.bootId)
      .text(guest.machineId)
      .text(guest.banner.trimEnd())
      .u64(Math.floor(guest.uptime * 1000))
      .u64(Math.floor(Date.parse(plan.header.createdAt) / dayMilliseconds)),
  );
  for (const [at, precondition] of plan.preconditions())
    records.add(record.precondition, (body) => addPrecondition(body, at, precondition));
  let steps = 0;
  for (const step of plan.steps()) addStep(records, steps++, step, contents);
  records.add(record.end, (body) => body);
  const body = records.finish();
  const bytes = headerSize + body.length + contents.size;
  writeFile(path, header(plan.digest, onFailure, body.length, bytes), body, contents);
  return { steps, bytes };
}

function writeFile(path: string, head: Buffer, body: Buffer, contents: ContentLayout): void {
  const descriptor = openSync(path, 'wx', 0o600);
  try {
    const write = (data: Buffer) => {
      for (let at = 0; at < data.length;) at += writeSync(descriptor, data, at);
    };
    write(head);
    write(body);
    for (const chunk of contents.chunks()) write(chunk);
  } finally {
    closeSync(descriptor);
  }
}

function header(digest: string, onFailure: OnFailure, recordsSize: number, fileSize: number): Buffer {
  const body = new BodyWriter()
    .u32(streamVersion)
    .u32(onFailureNumber[onFailure])
    .u64(recordsSize)
    .u64(fileSize);
  return Buffer.concat([magic, ...body.parts, Buffer.from(digest, 'hex')]);
}

function addStep(records: RecordWriter, number: number, step: Step, contents: ContentLayout): void {
  const begin = (count: number) =>
    records.add(record.step, (body) => body.u32(stepKind[step.kind]).u32(number).u32(count));
  const run = ({ path, argv, environment, cwd, sha256, text, input, terminal }: Program) => {
    begin(1);
    records.add(record.script, (body) =>
      body
        .bytes(path)
        .bytes(Buffer.from(sha256, 'hex'))
        .bytes(cwd)
        .list(argv)
        .list(environment)
        .u32(text?.argument ?? 0)
        .bytes(text?.bytes)
        .bytes(input)
        .u32(terminal ? terminalUse[terminal] : 0),
    );
  };
  if (step.kind === 'files') {
    begin(step.changes.length);
    for (const change of step.changes) addChange(records, change, contents);
  } else if (step.kind === 'action') run(step.action);
  else if (step.kind === 'triggers') begin(0);
  else if (step.call.runs === 'replay') run(programOf(step.call, contents));
}

function programOf(call: ScriptCall, contents: ContentLayout): Program {
  const { path, argv, environment, cwd, content, interpreter, input, terminal } = call;
  return {
    ...{ path, argv, environment, cwd },
    sha256: interpreter?.sha256 ?? content,
    ...(interpreter && { text: { argument: interpreter.argument, bytes: contents.read(content) } }),
    ...(input !== undefined && { input: contents.read(input) }),
    ...(terminal && { terminal }),
  };
}

function addPrecondition(body: BodyWriter, path: Buffer, precondition: Precondition): BodyWriter {
  body.bytes(path);
  if (precondition.type === 'absent') return body.u32(0).u32(0).u32(0).bytes().u64(0).bytes();
  const { type, mode, uid, gid, content, size = 0, target } = precondition;
  return body
    .u32(typeBits[type] | mode)
    .u32(uid)
    .u32(gid)
    .bytes(content === undefined ? undefined : Buffer.from(content, 'hex'))
    .u64(size)
    .bytes(target);
}

function addChange(records: RecordWriter, change: FileChange, contents: ContentLayout): void {
  if (change.action === 'remove')
    records.add(record.remove, (body) => addMerge(body.bytes(change.path), change.merge, contents));
  else if (change.action === 'link')
    records.add(record.link, (body) => body.bytes(change.path).bytes(change.to));
  else {
    const { state } = change;
    const time = state.mtime === 'now' ? undefined : state.mtime;
    records.add(record.put, (body) => {
      body
        .bytes(change.path)
        .u32(typeBits[state.type] | state.mode)
        .u32(state.uid)
        .u32(state.gid)
        .u32(Number(time !== undefined))
        .i64(time?.seconds ?? 0)
        .u32(time?.nanoseconds ?? 0)
        .u32(state.device?.major ?? 0)
        .u32(state.device?.minor ?? 0)
        .u64(state.content === undefined ? 0 : contents.offset(state.content, state.size ?? 0))
        .u64(state.size ?? 0)
        .bytes(state.target)
        .u32(state.xattrs.length);
      for (const [name, value] of state.xattrs) body.text(name).bytes(value);
      body.u32(change.outputs?.length ?? 0);
      for (const { offset, step } of change.outputs ?? []) body.u64(offset).u32(step);
      return addMerge(body, change.merge, contents);
    });
  }
}

function addMerge(body: BodyWriter, merge: Merge | undefined, contents: ContentLayout): BodyWriter {
  const base = merge?.base === undefined ? { offset: 0, size: 0 } : contents.place(merge.base);
  return body
    .u32(merge ? mergeFormat[merge.format] : 0)
    .u64(base.offset)
    .u64(base.size);
}

/** Gives each content its place behind the records, once. */
class ContentLayout {
  readonly #plan: PlanReader;
  readonly #offsets = new Map<ContentId, number>();
  size = 0;

  constructor(plan: PlanReader) {
    this.#plan = plan;
  }

  place(id: ContentId): { offset: number; size: number } {
    const size = this.#plan.contentSize(id) ?? 0;
    return { offset: this.offset(id, size), size };
  }

  offset(id: ContentId, size: number): number {
    const known = this.#offsets.get(id);
    if (known !== undefined) return known;
    const offset = this.size;
    this.#offsets.set(id, offset);
    this.size += size;
    return offset;
  }

  /** A content that goes into a record. */
  read(id: ContentId): Buffer {
    return this.#plan.content(id);
  }

  *chunks(): Generator<Buffer> {
    for (const id of this.#offsets.keys()) yield* this.#plan.contentChunks(id);
  }
}

class RecordWriter {
  readonly #parts: Buffer[] = [];

  add(kind: number, fill: (body: BodyWriter) => BodyWriter): void {
    const body = Buffer.concat(fill(new BodyWriter()).parts);
    this.#parts.push(...new BodyWriter().u32(kind).u32(body.length).parts, body);
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

class BodyWriter {
  readonly parts: Buffer[] = [];

  u32(value: number): this {
    const part = Buffer.alloc(4);
    part.writeUInt32LE(value);
    return this.#add(part);
  }

  u64(value: number): this {
    const part = Buffer.alloc(8);
    part.writeBigUInt64LE(BigInt(value));
    return this.#add(part);
  }

  i64(value: number): this {
    const part = Buffer.alloc(8);
    part.writeBigInt64LE(BigInt(value));
    return this.#add(part);
  }

  bytes(value: Buffer = Buffer.alloc(0)): this {
    return this.u32(value.length).#add(value).#add(Buffer.alloc(1));
  }

  text(value = ''): this {
    return this.bytes(Buffer.from(value));
  }

  list(values: readonly Buffer[]): this {
    this.u32(values.length);
    for (const value of values) this.bytes(value);
    return this;
  }

  #add(part: Buffer): this {
    this.parts.push(part);
    return this;
  }
}
