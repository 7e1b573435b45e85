/** The calls of a full event record: what changes files, reaches out by a socket or sends a signal. */
import type { SyscallName } from './numbers.js';
import { told as toldRow, type Condition, type SyscallRow } from './row.js';
import type { Told } from './told-row.js';

/** `O_WRONLY|O_RDWR|O_CREAT|O_TRUNC`, the same on every architecture here; asm-generic/fcntl.h. */
const writing = (argument: number): readonly Condition[] => [
  { argument, is: 'anyBitOf', value: 0o1103, means: 'flags has O_WRONLY|O_RDWR|O_CREAT|O_TRUNC' },
];
const sent = (argument: number): readonly Condition[] => [
  { argument, is: 'notEqual', value: 0, means: 'signal is not 0' },
];

const file = 'told when it has succeeded';
const named = `${file}; its path is the one that it was given, found right after the call`;
const socket = 'told when it has succeeded or failed';
const signalled = 'told when it has succeeded; signal 0 is none';

const told = (
  name: SyscallName,
  note: string,
  reads: Told,
  when: readonly Condition[] = [],
  feature: 'audit' | 'connect' = 'audit',
): SyscallRow => toldRow(name, feature, note, reads, when);

const path = (argument: number, directory?: number) => ({
  argument,
  ...(directory !== undefined && { directory }),
});
const sockaddr = { block: 1, errors: true } as const;

export const auditRows: readonly SyscallRow[] = [
  told(
    'openat',
    `${file} with a flag that may write`,
    { kind: 'open-write', paths: [path(1, 0)], opens: 2, numbers: { flags: 2, mode: 3 } },
    writing(2),
  ),
  told(
    'open',
    `${file} with a flag that may write`,
    { kind: 'open-write', paths: [path(0)], opens: 1, numbers: { flags: 1, mode: 2 } },
    writing(1),
  ),
  told('openat2', `${file} with a flag that may write; every call stops, its flags lie in memory`, {
    kind: 'open-write',
    paths: [path(1, 0)],
    opens: 'block',
    block: 2,
  }),
  told('creat', file, { kind: 'open-write', paths: [path(0)], opens: 'creat', numbers: { mode: 1 } }),
  told(
    'open_by_handle_at',
    `${file} with a flag that may write`,
    { kind: 'open-write', opens: 2, numbers: { flags: 2 } },
    writing(2),
  ),
  told('truncate', named, { kind: 'truncate', paths: [path(0)], follows: true, numbers: { size: 1 } }),
  told('ftruncate', file, { kind: 'truncate', descriptor: 0, numbers: { size: 1 } }),
  told('truncate64', named, { kind: 'truncate', paths: [path(0)], follows: true, numbers: { size: 1 } }),
  told('ftruncate64', file, { kind: 'truncate', descriptor: 0, numbers: { size: 1 } }),
  told('rename', named, { kind: 'rename', paths: [path(0), path(1)] }),
  told('renameat', named, { kind: 'rename', paths: [path(1, 0), path(3, 2)] }),
  told('renameat2', named, { kind: 'rename', paths: [path(1, 0), path(3, 2)], numbers: { flags: 4 } }),
  told('link', named, { kind: 'link', paths: [path(0), path(1)] }),
  told('linkat', named, { kind: 'link', paths: [path(1, 0), path(3, 2)], atFlags: 4 }),
  told('symlink', named, { kind: 'symlink', paths: [path(1)], text: 0 }),
  told('symlinkat', named, { kind: 'symlink', paths: [path(2, 1)], text: 0 }),
  told('unlink', named, { kind: 'remove', paths: [path(0)] }),
  told('unlinkat', named, { kind: 'remove', paths: [path(1, 0)] }),
  told('rmdir', named, { kind: 'remove', paths: [path(0)] }),
  told('mkdir', named, { kind: 'mkdir', paths: [path(0)], numbers: { mode: 1 } }),
  told('mkdirat', named, { kind: 'mkdir', paths: [path(1, 0)], numbers: { mode: 2 } }),
  told('mknod', named, { kind: 'mknod', paths: [path(0)], numbers: { mode: 1, device: 2 } }),
  told('mknodat', named, { kind: 'mknod', paths: [path(1, 0)], numbers: { mode: 2, device: 3 } }),
  told('chmod', named, { kind: 'mode', paths: [path(0)], follows: true, numbers: { mode: 1 } }),
  told('fchmod', file, { kind: 'mode', descriptor: 0, numbers: { mode: 1 } }),
  told('fchmodat', named, { kind: 'mode', paths: [path(1, 0)], follows: true, numbers: { mode: 2 } }),
  told('fchmodat2', named, {
    kind: 'mode',
    paths: [path(1, 0)],
    follows: true,
    atFlags: 3,
    numbers: { mode: 2 },
  }),
  ...(['chown', 'chown32'] as const).map((name) =>
    told(name, named, { kind: 'owner', paths: [path(0)], follows: true, numbers: { uid: 1, gid: 2 } }),
  ),
  ...(['lchown', 'lchown32'] as const).map((name) =>
    told(name, named, { kind: 'owner', paths: [path(0)], numbers: { uid: 1, gid: 2 } }),
  ),
  ...(['fchown', 'fchown32'] as const).map((name) =>
    told(name, file, { kind: 'owner', descriptor: 0, numbers: { uid: 1, gid: 2 } }),
  ),
  told('fchownat', named, {
    kind: 'owner',
    paths: [path(1, 0)],
    follows: true,
    atFlags: 4,
    numbers: { uid: 2, gid: 3 },
  }),
  ...(['setxattr', 'removexattr'] as const).map((name) =>
    told(name, named, { kind: 'xattr', paths: [path(0)], follows: true, text: 1 }),
  ),
  ...(['lsetxattr', 'lremovexattr'] as const).map((name) =>
    told(name, named, { kind: 'xattr', paths: [path(0)], text: 1 }),
  ),
  ...(['fsetxattr', 'fremovexattr'] as const).map((name) =>
    told(name, file, { kind: 'xattr', descriptor: 0, text: 1 }),
  ),
  ...(['setxattrat', 'removexattrat'] as const).map((name) =>
    told(name, named, { kind: 'xattr', paths: [path(1, 0)], follows: true, atFlags: 2, text: 3 }),
  ),
  told('connect', socket, { kind: 'connect', ...sockaddr }, [], 'connect'),
  told('bind', socket, { kind: 'bind', ...sockaddr }),
  // linux/net.h: SYS_BIND and SYS_CONNECT.
  told('socketcall', `${socket}: bind(2)`, { kind: 'bind', ...sockaddr, words: true }, [
    { argument: 0, is: 'equal', value: 2, means: 'call is SYS_BIND' },
  ]),
  told(
    'socketcall',
    `${socket}: connect(2)`,
    { kind: 'connect', ...sockaddr, words: true },
    [{ argument: 0, is: 'equal', value: 3, means: 'call is SYS_CONNECT' }],
    'connect',
  ),
  told('kill', signalled, { kind: 'signal', deadly: true, numbers: { target: 0, signal: 1 } }, sent(1)),
  told('tkill', signalled, { kind: 'signal', deadly: true, numbers: { target: 0, signal: 1 } }, sent(1)),
  told('tgkill', signalled, { kind: 'signal', deadly: true, numbers: { target: 0, signal: 2 } }, sent(2)),
  told(
    'rt_sigqueueinfo',
    signalled,
    { kind: 'signal', deadly: true, numbers: { target: 0, signal: 1 } },
    sent(1),
  ),
  told(
    'rt_tgsigqueueinfo',
    signalled,
    { kind: 'signal', deadly: true, numbers: { target: 0, signal: 2 } },
    sent(2),
  ),
  told(
    'pidfd_send_signal',
    `${signalled}; the pid is the host's`,
    { kind: 'signal', deadly: true, pidfd: true, numbers: { target: 0, signal: 1 } },
    sent(1),
  ),
];
