import { createHash } from 'node:crypto';
import { OuaError } from '../../src/base/errors.js';
import type { AuditEvent } from '../../src/plan/audit-event.js';
import type {
  CommandRecord,
  ConffileDecision,
  DebconfQuestion,
  Execution,
  FileChange,
  GuestSignal,
  Note,
  PackageChange,
  PlanHeader,
  Precondition,
  ProcRead,
  Step,
} from '../../src/plan/model.js';
import type { PlanReader } from '../../src/plan/reader.js';
import { PlanWriter } from '../../src/plan/writer.js';

/** Everything that a plan can hold, as plain values: what goes in is compared with what comes out. */
export interface PlanData {
  readonly header: PlanHeader;
  readonly commands: readonly CommandRecord[];
  readonly packages: readonly PackageChange[];
  readonly contents: readonly Buffer[];
  readonly steps: readonly Step[];
  readonly preconditions: readonly (readonly [Buffer, Precondition])[];
  readonly executions: readonly Execution[];
  readonly procReads: readonly ProcRead[];
  readonly signals: readonly GuestSignal[];
  readonly auditEvents: readonly AuditEvent[];
  readonly conffiles: readonly ConffileDecision[];
  readonly debconfQuestions: readonly DebconfQuestion[];
  readonly notes: readonly Note[];
}

export const contentId = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

/** The code with which an action is refused; `undefined` when it goes through. */
export function refusal(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof OuaError) return error.code;
    throw error;
  }
}

/** @param last what the writer does before it completes the plan */
export async function writePlan(
  path: string,
  data: PlanData,
  last: (writer: PlanWriter) => void = () => undefined,
): Promise<string> {
  await using writer = PlanWriter.create(path, data.header);
  for (const { argv, exitStatus, seconds } of data.commands)
    writer.endCommand(writer.beginCommand(argv), exitStatus, seconds);
  writer.packages(data.packages);
  for (const content of data.contents) await writer.putContent(contentId(content), content, content.length);
  for (const step of data.steps) writer.step(step);
  for (const [at, precondition] of data.preconditions) writer.precondition(at, precondition);
  for (const execution of data.executions) writer.execution(execution);
  for (const read of data.procReads) writer.procRead(read);
  for (const signal of data.signals) writer.signal(signal);
  for (const event of data.auditEvents) writer.auditEvent(event);
  for (const decision of data.conffiles) writer.conffile(decision);
  for (const question of data.debconfQuestions) writer.debconfQuestion(question);
  for (const note of data.notes) writer.note(note);
  last(writer);
  return writer.finish();
}

export function readPlan(reader: PlanReader, contents: readonly Buffer[]): PlanData {
  return {
    header: reader.header,
    commands: reader.commands(),
    packages: reader.packages(),
    contents: contents.map((content) => reader.content(contentId(content))),
    steps: [...reader.steps()],
    preconditions: [...reader.preconditions()],
    executions: [...reader.executions()],
    procReads: reader.procReads(),
    signals: reader.signals(),
    auditEvents: [...reader.auditEvents()],
    conffiles: reader.conffiles(),
    debconfQuestions: reader.debconfQuestions(),
    notes: reader.notes(),
  };
}

const shell = Buffer.from('#!/bin/sh\nexit 0\n');
const scriptlet = Buffer.from('cat >/var/lib/site/index\n');
const files = Buffer.from('/opt/site/page\n');
const page = Buffer.alloc(5000, 'all work and no play\n');
const empty = Buffer.alloc(0);
const oldGroup = Buffer.from('root:x:0:\n');
const group = Buffer.from('root:x:0:\nsite:x:999:\n');
const now = { uid: 0, gid: 0, mtime: 'now', xattrs: [] } as const;

const changes: FileChange[] = [
  { action: 'put', path: Buffer.from('/opt/site'), state: { ...now, type: 'directory', mode: 0o755 } },
  {
    action: 'put',
    path: Buffer.from('/opt/site/page'),
    state: {
      type: 'file',
      mode: 0o4755,
      uid: 33,
      gid: 4_000_000_000,
      mtime: { seconds: 1_700_000_000, nanoseconds: 123_456_789 },
      xattrs: [
        ['security.capability', Buffer.from('0100000200200000000000000000000000000000', 'hex')],
        ['user.note', empty],
      ],
      content: contentId(page),
      size: page.length,
    },
  },
  { action: 'link', path: Buffer.from([0x2f, 0xff, 0xfe]), to: Buffer.from('/opt/site/page') },
  {
    action: 'put',
    path: Buffer.from('/opt/site/empty'),
    state: { ...now, type: 'file', mode: 0o600, content: contentId(empty), size: 0 },
  },
  {
    action: 'put',
    path: Buffer.from('/opt/site/here'),
    state: {
      ...now,
      mtime: { seconds: -5, nanoseconds: 0 },
      type: 'symlink',
      mode: 0o777,
      target: Buffer.from('../site'),
    },
  },
  {
    action: 'put',
    path: Buffer.from('/opt/site/null'),
    state: { ...now, type: 'char', mode: 0o666, device: { major: 1, minor: 3 } },
  },
  { action: 'put', path: Buffer.from('/opt/site/pipe'), state: { ...now, type: 'fifo', mode: 0o600 } },
  {
    action: 'put',
    path: Buffer.from('/etc/group'),
    state: { ...now, type: 'file', mode: 0o644, content: contentId(group), size: group.length },
    merge: { format: 'accounts', base: contentId(oldGroup) },
  },
  {
    action: 'put',
    path: Buffer.from('/etc/subgid'),
    state: { ...now, type: 'file', mode: 0o644, content: contentId(empty), size: 0 },
    merge: { format: 'ranges' },
  },
  { action: 'remove', path: Buffer.from('/opt/old') },
  {
    action: 'remove',
    path: Buffer.from('/var/lib/dpkg/alternatives/site'),
    merge: { format: 'alternatives', base: contentId(page) },
  },
];

/** A small plan with one of everything. */
export const samplePlan: PlanData = {
  header: {
    guest: {
      banner: 'Linux version 6.1.0-18-cloud-amd64 (debian-kernel@lists.debian.org)',
      release: '6.1.0-18-cloud-amd64',
      hostname: 'guest',
      bootId: '6a8fd0c5-7a13-4f2f-8e8c-7d1a1b0d2c11',
      machineId: '0123456789abcdef0123456789abcdef',
      rootUuid: undefined,
      suspendedAt: 1_700_000_000.5,
      uptime: 86_400.25,
    },
    policy: 'split',
    order: 'log',
    audited: true,
    createdAt: '2026-01-02T03:04:05.678Z',
    createdBy: 'ouassister 0.1.0',
  },
  commands: [
    { argv: ['apt-get', 'update'], exitStatus: 0, seconds: 1.5 },
    { argv: ['apt-get', '-y', 'install', 'site'], exitStatus: 0, seconds: 3 },
  ],
  packages: [
    { name: 'libsite1', architecture: 'amd64', from: '1.0-1', to: '1.0-2' },
    { name: 'old', architecture: 'all', from: '3', to: undefined },
    { name: 'site', architecture: 'amd64', from: undefined, to: '2:1.0~rc1-1' },
  ],
  contents: [empty, page, shell, scriptlet, files, oldGroup, group],
  steps: [
    { kind: 'files', changes },
    {
      kind: 'script',
      call: {
        kind: 'postinst',
        package: 'site',
        path: Buffer.from('/var/lib/dpkg/info/site.postinst'),
        content: contentId(shell),
        argv: ['/var/lib/dpkg/info/site.postinst', 'configure', ''].map((value) => Buffer.from(value)),
        environment: [Buffer.from('DPKG_MAINTSCRIPT_PACKAGE=site'), Buffer.from([0x41, 0x3d, 0xff])],
        cwd: Buffer.from('/'),
        command: 1,
        runs: 'replay',
        reason: 'mount(8) of something',
        terminal: 'errors',
      },
    },
    { kind: 'triggers' },
    {
      kind: 'files',
      changes: [
        {
          action: 'put',
          path: Buffer.from('/var/log/apt/term.log'),
          state: { ...now, type: 'file', mode: 0o640, content: contentId(page), size: page.length },
          outputs: [
            { offset: 0, step: 1 },
            { offset: page.length, step: 1 },
          ],
        },
      ],
    },
    { kind: 'files', changes: [] },
    {
      kind: 'script',
      call: {
        kind: 'preinst',
        package: 'site',
        path: Buffer.from('/var/lib/dpkg/tmp.ci/preinst'),
        content: contentId(empty),
        argv: [],
        environment: [],
        cwd: Buffer.from('/'),
        command: 1,
        runs: 'offline',
      },
    },
    {
      kind: 'action',
      action: {
        rule: 'systemctl',
        path: Buffer.from('/usr/bin/systemctl'),
        sha256: contentId(shell),
        argv: ['systemctl', 'restart', 'site.service'].map((value) => Buffer.from(value)),
        environment: [Buffer.from([0x41, 0x3d, 0xff])],
        cwd: Buffer.from('/'),
        terminal: 'both',
        command: 1,
        script: 5,
      },
    },
    {
      kind: 'script',
      call: {
        kind: 'transfiletriggerin',
        package: 'site',
        path: Buffer.from('/usr/bin/dash'),
        content: contentId(scriptlet),
        interpreter: { sha256: contentId(shell), argument: 1 },
        input: contentId(files),
        argv: ['/bin/sh', '/var/tmp/rpm-tmp.AbC123', '0'].map((value) => Buffer.from(value)),
        environment: [],
        cwd: Buffer.from('/'),
        command: 1,
        runs: 'replay',
      },
    },
  ],
  preconditions: [
    [Buffer.from('/opt/old'), { type: 'symlink', mode: 0o777, uid: 0, gid: 0, target: Buffer.from('older') }],
    [Buffer.from('/opt/site'), { type: 'absent' }],
    [
      Buffer.from('/var/lib/dpkg/status'),
      { type: 'file', mode: 0o644, uid: 0, gid: 0, content: contentId(page), size: page.length },
    ],
  ],
  executions: [
    {
      pid: 700,
      parent: 1,
      path: Buffer.from('/usr/bin/apt-get'),
      argv: [Buffer.from('apt-get')],
      command: 0,
      redirected: false,
    },
    {
      pid: 701,
      parent: 700,
      path: Buffer.from('/var/lib/dpkg/info/site.postinst'),
      argv: [],
      command: 1,
      redirected: true,
    },
  ],
  procReads: [
    { path: '/proc/filesystems', reader: 'dpkg', count: 3, found: true },
    { path: '/proc/secret', reader: 'apt', count: 1, found: false },
  ],
  signals: [
    { command: 0, afterStep: undefined, pid: 700, signal: 1, target: 1, targetComm: 'systemd' },
    { command: 1, afterStep: 2, pid: 702, signal: 64, target: 411, targetComm: 'kworker/0:1-ev' },
  ],
  auditEvents: [
    { kind: 'exec', command: 0, pid: 700, execution: 0 },
    { kind: 'exec', command: 1, pid: 701, step: 1, package: 'site', execution: 1 },
    {
      kind: 'create',
      command: 1,
      pid: 702,
      package: 'site',
      path: Buffer.from('/opt/site/page.dpkg-new'),
      mode: 0,
      flags: 0o301,
    },
    {
      kind: 'rename',
      command: 1,
      pid: 702,
      package: 'site',
      path: Buffer.from([0x2f, 0xff, 0xfe]),
      other: Buffer.from('/opt/site/page.dpkg-new'),
      flags: 0,
    },
    { kind: 'owner', command: 1, pid: 702, path: Buffer.from('/opt/site'), uid: 4_294_967_294 },
    { kind: 'connect', command: 0, pid: 700, family: 'inet6', host: '::1', port: 80, errno: 111 },
    { kind: 'signal', command: 1, pid: 702, target: -411, signal: 15 },
    { kind: 'effect', command: 1, pid: 702, step: 1, package: 'site', call: 'mount', errno: 1 },
    { kind: 'netlink', command: 1, pid: 702, call: 'sendto', message: 16, errno: 0 },
  ],
  conffiles: [
    {
      path: Buffer.from('/etc/site.conf'),
      package: 'site',
      by: 'dpkg',
      decision: 'keep',
      admin: contentId(page),
      offered: contentId(shell),
      beside: Buffer.from('/etc/site.conf.dpkg-dist'),
    },
    {
      path: Buffer.from([0x2f, 0xff]),
      package: undefined,
      by: 'ucf',
      decision: 'install',
      admin: undefined,
      offered: contentId(empty),
      beside: undefined,
    },
  ],
  debconfQuestions: [
    {
      ...{ name: 'site/colour', type: 'select', value: 'blue\\nish', withheld: false, seen: true },
      owners: ['site', 'libsite1'],
    },
    {
      ...{ name: 'site/password', type: 'password', value: undefined, withheld: true, seen: false },
      owners: [],
    },
  ],
  notes: [{ code: 'SOCKETS_SKIPPED', text: 'one socket was left out' }],
};
