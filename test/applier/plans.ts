import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type {
  FileChange,
  FileState,
  FileType,
  LiveAction,
  Merge,
  MergeFormat,
  Precondition,
  ScriptCall,
  Step,
} from '../../src/plan/model.js';
import { PlanWriter } from '../../src/plan/writer.js';
import { contentId, samplePlan } from '../plan/sample.js';
import { machineId, probe } from './tree.js';

export const time = (seconds: number, nanoseconds = 0) => ({ seconds, nanoseconds });

const inode = { uid: 0, gid: 0, mtime: time(1_700_000_000, 5), xattrs: [] } as const;

/** Builds plans for the guests of `makeGuest`, and keeps the contents that their steps name. */
export class PlanBuilder {
  readonly contents = new Map<string, Buffer>();
  readonly steps: Step[] = [];
  readonly #preconditions = new Map<string, Precondition>();

  put(path: string, type: FileType, rest: Partial<FileState> = {}): FileChange {
    return { action: 'put', path: Buffer.from(path), state: { ...inode, type, mode: 0o755, ...rest } };
  }

  file(path: string, content: string | Buffer, rest: Partial<FileState> = {}): FileChange {
    const bytes = Buffer.from(content);
    this.contents.set(contentId(bytes), bytes);
    return this.put(path, 'file', { mode: 0o644, content: contentId(bytes), size: bytes.length, ...rest });
  }

  /** A database; `base`: what is there before, in the order of the plan. */
  database(
    path: string,
    format: MergeFormat,
    base: string | undefined,
    content: string,
    rest: Partial<FileState> = {},
  ): FileChange {
    const put = this.file(path, content, rest);
    return { ...put, ...this.#merge(format, base) };
  }

  removeDatabase(path: string, format: MergeFormat, base: string): FileChange {
    return { ...this.remove(path), ...this.#merge(format, base) };
  }

  #merge(format: MergeFormat, base: string | undefined): { readonly merge: Merge } {
    if (base === undefined) return { merge: { format } };
    this.contents.set(contentId(Buffer.from(base)), Buffer.from(base));
    return { merge: { format, base: contentId(Buffer.from(base)) } };
  }

  link(path: string, to: string): FileChange {
    return { action: 'link', path: Buffer.from(path), to: Buffer.from(to) };
  }

  remove(path: string): FileChange {
    return { action: 'remove', path: Buffer.from(path) };
  }

  files(...changes: FileChange[]): this {
    this.steps.push({ kind: 'files', changes });
    return this;
  }

  triggers(): this {
    this.steps.push({ kind: 'triggers' });
    return this;
  }

  /** A call of the guest's one maintainer script, which is the probe. */
  script(args: readonly string[], rest: Partial<ScriptCall> = {}): this {
    const path = '/var/lib/dpkg/info/app.postinst';
    this.contents.set(contentId(probe()), probe());
    const call: ScriptCall = {
      kind: 'postinst',
      package: 'app',
      path: Buffer.from(path),
      content: contentId(probe()),
      argv: [path, ...args].map((value) => Buffer.from(value)),
      environment: [Buffer.from('DPKG_MAINTSCRIPT_PACKAGE=app')],
      cwd: Buffer.from('/'),
      command: 0,
      runs: 'replay',
      ...rest,
    };
    this.steps.push({ kind: 'script', call });
    return this;
  }

  /** A live action of the guest's one program, which is the probe. */
  action(args: readonly string[], rest: Partial<LiveAction> = {}): this {
    const path = Buffer.from('/var/lib/dpkg/info/app.postinst');
    const action: LiveAction = {
      rule: 'probe',
      path,
      sha256: contentId(probe()),
      argv: ['probe', ...args].map((value) => Buffer.from(value)),
      environment: [],
      cwd: Buffer.from('/'),
      command: 0,
      script: undefined,
      ...rest,
    };
    this.steps.push({ kind: 'action', action });
    return this;
  }

  /** Takes what is in a tree at these paths as what must be there. */
  expect(root: string, ...paths: string[]): this {
    for (const path of paths) this.#preconditions.set(path, preconditionOf(join(root, path)));
    return this;
  }

  absent(path: string): this {
    this.#preconditions.set(path, { type: 'absent' });
    return this;
  }

  async write(file: string, guest: Partial<typeof samplePlan.header.guest> = {}): Promise<string> {
    await using writer = PlanWriter.create(file, {
      ...samplePlan.header,
      guest: { ...samplePlan.header.guest, machineId, ...guest },
    });
    writer.endCommand(writer.beginCommand(['apt-get', 'install', 'app']), 0, 1);
    for (const [id, content] of this.contents) await writer.putContent(id, content, content.length);
    for (const step of this.steps) writer.step(step);
    for (const [path, precondition] of this.#preconditions)
      writer.precondition(Buffer.from(path), precondition);
    writer.finish();
    return file;
  }
}

function preconditionOf(path: string): Precondition {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (!status) return { type: 'absent' };
  const owner = { mode: status.mode & 0o7777, uid: status.uid, gid: status.gid };
  if (status.isSymbolicLink()) return { type: 'symlink', ...owner, target: Buffer.from(readlinkSync(path)) };
  if (status.isDirectory()) return { type: 'directory', ...owner };
  return { type: 'file', ...owner, content: contentId(readFileSync(path)), size: status.size };
}

/** A plan that does one of everything, in three file steps with scripts between. */
export function fullPlan(root: string): PlanBuilder {
  const plan = new PlanBuilder();
  return plan
    .expect(root, '/etc/app.conf', '/usr/bin/tool', '/usr/bin/t', '/srv/site', '/usr/share/doc/old/readme')
    .files(
      plan.file('/etc/app.conf', 'colour = red\n', { mode: 0o640, gid: 33 }),
      plan.put('/srv', 'directory', { mode: 0o2775, gid: 33, mtime: time(1_650_000_000) }),
      plan.put('/srv/site', 'directory', { mode: 0o750, uid: 33, mtime: time(1_640_000_000, 999_999_999) }),
      plan.file('/srv/site/page', Buffer.alloc(3_000_000, 'page'), {
        mode: 0o4755,
        uid: 1000,
        gid: 4_000_000_000,
        xattrs: [
          ['security.capability', Buffer.from('0100000200200000000000000000000000000000', 'hex')],
          ['user.note', Buffer.from('a note')],
        ],
      }),
      plan.link('/srv/site/page-too', '/srv/site/page'),
      plan.put('/srv/site/here', 'symlink', { mode: 0o777, target: Buffer.from('../site') }),
      plan.put('/srv/site/null', 'char', { mode: 0o666, device: { major: 1, minor: 3 } }),
      plan.put('/srv/site/disk', 'block', { mode: 0o660, device: { major: 259, minor: 70_000 } }),
      plan.put('/srv/site/pipe', 'fifo', { mode: 0o600, mtime: time(-5) }),
      plan.put('/srv/site/socket', 'socket', { mode: 0o666 }),
    )
    .script(['show', 'configure', ''], { cwd: Buffer.from('/srv') })
    .files(
      plan.file('/usr/bin/tool', 'new tool', { mode: 0o755 }),
      plan.remove('/usr/bin/t'),
      plan.put('/usr/bin/t', 'directory'),
      plan.file('/usr/bin/t/inside', ''),
      plan.remove('/usr/share/doc/old/readme'),
      plan.remove('/usr/share/doc/old'),
      plan.put('/usr/share/doc/old', 'symlink', { mode: 0o777, target: Buffer.from('new') }),
    )
    .triggers()
    .files(plan.file('/srv/site/page-too', 'not the same any more'), plan.link('/usr/tool', '/usr/bin/tool'));
}
