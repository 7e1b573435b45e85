/** Records of told calls → events. */
import type { CallEvent } from './call-event.js';
import type { EventRecord } from './records.js';
import type { SyscallRow } from './row.js';
import { decodeAddress } from './sockaddr.js';
import { callFlags, type CallKind, type NumberName, type Told } from './told-row.js';

const O_CREAT_WRONLY_TRUNC = 0o1101;
/** `open_how.mode`'s place, linux/openat2.h. */
const howMode = 8;
const none = Buffer.alloc(0);

/** What a record holds, by the names that its row gives. */
interface Given {
  readonly row: SyscallRow & { readonly told: Told };
  readonly record: EventRecord;
  readonly paths: readonly Buffer[];
  readonly text: Buffer;
  readonly block: Buffer;
}

/** In the order of `struct oua_trace_row`; the path that an open leads to comes last. */
function take(row: SyscallRow & { readonly told: Told }, record: EventRecord): Given {
  const strings = record.strings();
  const next = () => strings.shift() ?? none;
  const { told } = row;
  const named = told.opens === undefined ? (told.paths ?? []).map(next) : [];
  const held = told.descriptor === undefined ? [] : [next()];
  const text = told.text === undefined ? none : next();
  const block = told.block === undefined ? none : next();
  const opened = told.opens === undefined ? [] : [next()];
  return { row, record, paths: [...named, ...held, ...opened], text, block };
}

/** The low 32 bits of an argument; 0 when the call does not have it. */
function word({ row, record }: Given, name: NumberName): number {
  const argument = row.told.numbers?.[name];
  return argument === undefined ? 0 : record.word(1 + argument);
}

const modeOf = (given: Given) => word(given, 'mode') & 0o177777;

/** 32-bit programs' older calls have 16 bits of an owner; -1 leaves it alone. */
function owner(given: Given, name: 'uid' | 'gid'): number | undefined {
  const short = given.record.other & callFlags.i386 && /^[fl]?chown$/.test(given.row.name);
  const value = short ? word(given, name) & 0xffff : word(given, name);
  return value === (short ? 0xffff : 0xffff_ffff) ? undefined : value;
}

/** `new_decode_dev` of linux/kdev_t.h. */
const deviceOf = (device: number) => ({
  major: (device >>> 8) & 0xfff,
  minor: (device & 0xff) | ((device >>> 12) & 0xf_ff00),
});

/** A file size: two arguments in 32-bit programs' 64-bit variants, linux/syscalls.h `arg_u64`. */
function sizeOf({ row, record }: Given): number {
  const argument = 1 + (row.told.numbers?.size ?? 0);
  if (row.name.endsWith('64')) return record.word(argument) + record.word(argument + 1) * 2 ** 32;
  return record.argument(argument);
}

function openOf(given: Given): { flags: number; mode: number } {
  const { opens } = given.row.told;
  if (opens === 'creat') return { flags: O_CREAT_WRONLY_TRUNC, mode: modeOf(given) };
  if (opens !== 'block') return { flags: word(given, 'flags'), mode: modeOf(given) };
  const { block } = given;
  return {
    flags: block.length >= 4 ? block.readUInt32LE(0) : 0,
    mode: block.length >= howMode + 2 ? block.readUInt16LE(howMode) : 0,
  };
}

type EventOf<K extends CallKind, E = CallEvent> = E extends { kind: unknown }
  ? K extends E['kind']
    ? E
    : never
  : never;
type Rest<K extends CallKind> = Omit<EventOf<K>, 'type' | 'pid' | 'call' | 'kind'>;

const first = ({ paths }: Given) => ({ path: paths[0] ?? none });
const pair = ({ paths }: Given) => ({ from: paths[0] ?? none, path: paths[1] ?? none });
const withMode = (given: Given) => ({ ...first(given), mode: modeOf(given) });
const opened = (given: Given) => ({ ...first(given), ...openOf(given) });
const failure = ({ record }: Given) => ({ errno: Math.max(0, -record.status) });
const addressed = (given: Given) => ({ address: decodeAddress(given.block), ...failure(given) });
/** `nlmsg_type`'s place, linux/netlink.h. */
const messageType = 4;

const decoders: { readonly [K in CallKind]: (given: Given) => Rest<K> } = {
  'open-write': opened,
  create: opened,
  truncate: (given) => ({ ...first(given), size: sizeOf(given) }),
  rename: (given) => ({ ...pair(given), flags: word(given, 'flags') }),
  link: pair,
  symlink: (given) => ({ ...first(given), target: given.text }),
  remove: first,
  mkdir: withMode,
  mknod: (given) => ({ ...withMode(given), device: deviceOf(word(given, 'device')) }),
  mode: withMode,
  owner: (given) => ({ ...first(given), uid: owner(given, 'uid'), gid: owner(given, 'gid') }),
  xattr: (given) => ({
    ...first(given),
    name: given.text,
    removed: given.row.name.includes('remove'),
  }),
  connect: addressed,
  bind: addressed,
  signal: (given) => ({ target: word(given, 'target') | 0, signal: word(given, 'signal') | 0 }),
  effect: failure,
  netlink: (given) => ({
    message: given.block.length >= messageType + 2 ? given.block.readUInt16LE(messageType) : 0,
    ...failure(given),
  }),
};

/** kill(2): signal 0 is none, it only looks. */
const isNothing = (event: CallEvent): boolean => event.kind === 'signal' && event.signal === 0;

/** Undefined for a record that names no told row, or a call that does nothing. */
export function decodeCall(rows: readonly SyscallRow[], record: EventRecord): CallEvent | undefined {
  const row = rows[record.argument(0)];
  if (!row?.told) return undefined;
  const given = take({ ...row, told: row.told }, record);
  const kind = row.told.opens !== undefined && record.other & callFlags.created ? 'create' : row.told.kind;
  // The table's types say that each kind gets its own fields; TypeScript does not follow through a union.
  const event = {
    type: 'call',
    pid: record.tid,
    call: row.name,
    kind,
    ...decoders[kind](given),
  } as CallEvent;
  return isNothing(event) ? undefined : event;
}
