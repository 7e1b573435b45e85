/**
 * A plan on disk: one SQLite file. `docs/plan-format.md` explains it to readers outside of this program.
 *
 * Every value has a column of its own, so that SQLite's own checks (STRICT types, CHECK, foreign keys)
 * cover the whole file. A change here is a new format version.
 */
import { z } from 'zod';
import { auditKinds } from './audit-event.js';
import { conffileChoices, conffileDeciders, scriptKinds, terminalStreams } from './model.js';

/** `PRAGMA application_id`: the bytes `OUAp`. */
export const applicationId = 0x4f554170;

/** `PRAGMA user_version`. */
export const formatVersion = 1;

/** Contents are stored in pieces of this many uncompressed bytes, so that memory stays bounded. */
export const chunkSize = 1 << 20;

const fileTypes = ['file', 'directory', 'symlink', 'fifo', 'socket', 'char', 'block'] as const;
const mergeFormats = [
  ...(['accounts', 'shadow', 'ranges', 'status', 'debconf'] as const),
  ...(['diversions', 'statoverride', 'triggers', 'alternatives'] as const),
] as const;
const oneOf = (values: readonly string[]) => values.map((value) => `'${value}'`).join(', ');

/** The definition of each table, in an order in which they can be created. */
export const tables = {
  plan: `CREATE TABLE plan (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
    digest BLOB CHECK (length(digest) = 32),
    policy TEXT NOT NULL CHECK (policy IN ('defer', 'split')),
    change_order TEXT NOT NULL CHECK (change_order IN ('log', 'phases')),
    audited INTEGER NOT NULL CHECK (audited IN (0, 1)),
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    banner TEXT NOT NULL,
    release TEXT NOT NULL,
    hostname TEXT NOT NULL,
    boot_id TEXT,
    machine_id TEXT,
    root_uuid TEXT,
    suspended_at REAL NOT NULL,
    uptime REAL NOT NULL
  ) STRICT`,
  command: `CREATE TABLE command (
    number INTEGER PRIMARY KEY,
    exit_status INTEGER NOT NULL,
    seconds REAL NOT NULL
  ) STRICT`,
  command_argument: `CREATE TABLE command_argument (
    command INTEGER NOT NULL REFERENCES command,
    position INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (command, position)
  ) STRICT, WITHOUT ROWID`,
  package: `CREATE TABLE package (
    name TEXT NOT NULL,
    architecture TEXT NOT NULL,
    version_from TEXT,
    version_to TEXT,
    PRIMARY KEY (name, architecture),
    CHECK (version_from IS NOT NULL OR version_to IS NOT NULL)
  ) STRICT, WITHOUT ROWID`,
  content: `CREATE TABLE content (
    id INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
    size INTEGER NOT NULL CHECK (size >= 0)
  ) STRICT`,
  content_chunk: `CREATE TABLE content_chunk (
    content INTEGER NOT NULL REFERENCES content,
    position INTEGER NOT NULL,
    encoding TEXT NOT NULL CHECK (encoding IN ('plain', 'zlib')),
    bytes BLOB NOT NULL,
    PRIMARY KEY (content, position)
  ) STRICT`,
  step: `CREATE TABLE step (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('files', 'script', 'action', 'triggers'))
  ) STRICT`,
  file_change: `CREATE TABLE file_change (
    step INTEGER NOT NULL REFERENCES step,
    position INTEGER NOT NULL,
    path BLOB NOT NULL CHECK (substr(path, 1, 1) = x'2f'),
    action TEXT NOT NULL CHECK (action IN ('put', 'link', 'remove')),
    link_to BLOB CHECK ((action = 'link') = (link_to IS NOT NULL)),
    type TEXT CHECK (type IN (${oneOf(fileTypes)})),
    mode INTEGER CHECK (mode BETWEEN 0 AND 4095),
    uid INTEGER CHECK (uid BETWEEN 0 AND 4294967295),
    gid INTEGER CHECK (gid BETWEEN 0 AND 4294967295),
    mtime_seconds INTEGER,
    mtime_nanoseconds INTEGER CHECK (mtime_nanoseconds BETWEEN 0 AND 999999999),
    content INTEGER REFERENCES content,
    target BLOB,
    major INTEGER CHECK (major >= 0),
    minor INTEGER CHECK (minor >= 0),
    merge_format TEXT CHECK (merge_format IN (${oneOf(mergeFormats)})),
    merge_base INTEGER REFERENCES content,
    PRIMARY KEY (step, position),
    CHECK ((action = 'put') = (type IS NOT NULL)),
    CHECK ((type IS NOT NULL) = (mode IS NOT NULL AND uid IS NOT NULL AND gid IS NOT NULL)),
    CHECK ((mtime_seconds IS NULL) = (mtime_nanoseconds IS NULL)),
    CHECK ((type IS 'file') = (content IS NOT NULL)),
    CHECK ((type IS 'symlink') = (target IS NOT NULL)),
    CHECK ((type IS 'char' OR type IS 'block') = (major IS NOT NULL AND minor IS NOT NULL)),
    CHECK (merge_format IS NULL OR type IS 'file' OR action = 'remove'),
    CHECK (merge_base IS NULL OR merge_format IS NOT NULL)
  ) STRICT`,
  file_xattr: `CREATE TABLE file_xattr (
    step INTEGER NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (step, position, name),
    FOREIGN KEY (step, position) REFERENCES file_change
  ) STRICT, WITHOUT ROWID`,
  file_output: `CREATE TABLE file_output (
    step INTEGER NOT NULL,
    position INTEGER NOT NULL,
    place INTEGER NOT NULL,
    byte_offset INTEGER NOT NULL CHECK (byte_offset >= 0),
    source INTEGER NOT NULL REFERENCES step CHECK (source < step),
    PRIMARY KEY (step, position, place),
    FOREIGN KEY (step, position) REFERENCES file_change
  ) STRICT, WITHOUT ROWID`,
  script_call: `CREATE TABLE script_call (
    step INTEGER PRIMARY KEY REFERENCES step,
    kind TEXT NOT NULL CHECK (kind IN (${oneOf(scriptKinds)})),
    package TEXT NOT NULL,
    path BLOB NOT NULL,
    content INTEGER NOT NULL REFERENCES content,
    cwd BLOB NOT NULL,
    command INTEGER NOT NULL REFERENCES command,
    runs TEXT NOT NULL CHECK (runs IN ('offline', 'replay')),
    reason TEXT,
    interpreter BLOB CHECK (length(interpreter) = 32),
    text_argument INTEGER CHECK (text_argument > 0),
    input INTEGER REFERENCES content,
    terminal TEXT CHECK (terminal IN (${oneOf(terminalStreams)})),
    CHECK ((interpreter IS NULL) = (text_argument IS NULL)),
    CHECK (terminal IS NULL OR runs = 'replay')
  ) STRICT`,
  script_argument: `CREATE TABLE script_argument (
    step INTEGER NOT NULL REFERENCES script_call,
    position INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (step, position)
  ) STRICT, WITHOUT ROWID`,
  script_environment: `CREATE TABLE script_environment (
    step INTEGER NOT NULL REFERENCES script_call,
    position INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (step, position)
  ) STRICT, WITHOUT ROWID`,
  live_action: `CREATE TABLE live_action (
    step INTEGER PRIMARY KEY REFERENCES step,
    rule TEXT NOT NULL,
    path BLOB NOT NULL CHECK (substr(path, 1, 1) = x'2f'),
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    cwd BLOB NOT NULL,
    terminal TEXT CHECK (terminal IN (${oneOf(terminalStreams)})),
    command INTEGER NOT NULL REFERENCES command,
    script INTEGER REFERENCES script_call
  ) STRICT`,
  action_argument: `CREATE TABLE action_argument (
    step INTEGER NOT NULL REFERENCES live_action,
    position INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (step, position)
  ) STRICT, WITHOUT ROWID`,
  action_environment: `CREATE TABLE action_environment (
    step INTEGER NOT NULL REFERENCES live_action,
    position INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (step, position)
  ) STRICT, WITHOUT ROWID`,
  precondition: `CREATE TABLE precondition (
    path BLOB PRIMARY KEY CHECK (substr(path, 1, 1) = x'2f'),
    type TEXT NOT NULL CHECK (type IN ('absent', ${oneOf(fileTypes)})),
    mode INTEGER CHECK (mode BETWEEN 0 AND 4095),
    uid INTEGER CHECK (uid BETWEEN 0 AND 4294967295),
    gid INTEGER CHECK (gid BETWEEN 0 AND 4294967295),
    sha256 BLOB CHECK (sha256 IS NULL OR (length(sha256) = 32 AND type = 'file')),
    size INTEGER CHECK (size >= 0),
    target BLOB CHECK (target IS NULL OR type = 'symlink'),
    CHECK ((sha256 IS NULL) = (size IS NULL)),
    CHECK ((type <> 'absent') = (mode IS NOT NULL AND uid IS NOT NULL AND gid IS NOT NULL))
  ) STRICT, WITHOUT ROWID`,
  execution: `CREATE TABLE execution (
    number INTEGER PRIMARY KEY,
    pid INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    path BLOB NOT NULL,
    command INTEGER NOT NULL REFERENCES command,
    redirected INTEGER NOT NULL CHECK (redirected IN (0, 1))
  ) STRICT`,
  execution_argument: `CREATE TABLE execution_argument (
    execution INTEGER NOT NULL REFERENCES execution,
    position INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (execution, position)
  ) STRICT, WITHOUT ROWID`,
  proc_read: `CREATE TABLE proc_read (
    path TEXT NOT NULL,
    reader TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count > 0),
    found INTEGER NOT NULL CHECK (found IN (0, 1)),
    PRIMARY KEY (path, reader, found)
  ) STRICT, WITHOUT ROWID`,
  signal: `CREATE TABLE signal (
    number INTEGER PRIMARY KEY,
    command INTEGER NOT NULL REFERENCES command,
    after_step INTEGER REFERENCES step,
    pid INTEGER NOT NULL,
    signal INTEGER NOT NULL CHECK (signal BETWEEN 1 AND 64),
    target INTEGER NOT NULL CHECK (target > 0),
    target_comm TEXT NOT NULL
  ) STRICT`,
  audit_event: `CREATE TABLE audit_event (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN (${oneOf(auditKinds)})),
    command INTEGER NOT NULL REFERENCES command,
    pid INTEGER NOT NULL,
    step INTEGER REFERENCES script_call,
    package TEXT,
    execution INTEGER REFERENCES execution,
    path BLOB,
    other BLOB,
    mode INTEGER,
    uid INTEGER,
    gid INTEGER,
    flags INTEGER,
    size INTEGER,
    major INTEGER,
    minor INTEGER,
    family TEXT,
    host TEXT,
    port INTEGER,
    errno INTEGER,
    target INTEGER,
    signal INTEGER,
    call TEXT,
    message INTEGER,
    CHECK ((kind = 'exec') = (execution IS NOT NULL)),
    CHECK ((kind IN ('connect', 'bind')) = (family IS NOT NULL AND errno IS NOT NULL)),
    CHECK ((kind = 'signal') = (target IS NOT NULL AND signal IS NOT NULL)),
    CHECK ((kind IN ('effect', 'netlink')) = (call IS NOT NULL AND errno IS NOT NULL)),
    CHECK ((kind = 'netlink') = (message IS NOT NULL))
  ) STRICT`,
  conffile: `CREATE TABLE conffile (
    number INTEGER PRIMARY KEY,
    path BLOB NOT NULL CHECK (substr(path, 1, 1) = x'2f'),
    package TEXT,
    decided_by TEXT NOT NULL CHECK (decided_by IN (${oneOf(conffileDeciders)})),
    decision TEXT NOT NULL CHECK (decision IN (${oneOf(conffileChoices)})),
    admin BLOB CHECK (length(admin) = 32),
    offered BLOB NOT NULL CHECK (length(offered) = 32),
    beside BLOB CHECK (substr(beside, 1, 1) = x'2f'),
    CHECK (decision = 'install' OR beside IS NOT NULL)
  ) STRICT`,
  debconf_question: `CREATE TABLE debconf_question (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    type TEXT,
    value TEXT,
    withheld INTEGER NOT NULL CHECK (withheld IN (0, 1)),
    seen INTEGER NOT NULL CHECK (seen IN (0, 1)),
    CHECK (withheld = 0 OR value IS NULL),
    CHECK (type IS NOT 'password' OR withheld = 1)
  ) STRICT`,
  debconf_owner: `CREATE TABLE debconf_owner (
    question INTEGER NOT NULL REFERENCES debconf_question,
    position INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (question, position)
  ) STRICT, WITHOUT ROWID`,
  note: `CREATE TABLE note (
    number INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    text TEXT NOT NULL
  ) STRICT`,
} as const;

const int = z.number().int();
const text = z.string();
const bytes = z.instanceof(Buffer);
const flag = z.union([z.literal(0), z.literal(1)]);
const fileType = z.enum(fileTypes);
const terminal = z.enum(terminalStreams).nullable();
const merge = { merge_format: z.enum(mergeFormats).nullable(), base_sha256: bytes.nullable() };

/** What a row must look like once it has left SQLite: numbers that JavaScript can hold, known words. */
export const rows = {
  plan: z.object({
    policy: z.enum(['defer', 'split']),
    change_order: z.enum(['log', 'phases']),
    audited: flag,
    created_at: z.iso.datetime(),
    created_by: text,
    banner: text,
    release: text,
    hostname: text,
    boot_id: text.nullable(),
    machine_id: text.nullable(),
    root_uuid: text.nullable(),
    suspended_at: z.number(),
    uptime: z.number().nonnegative(),
  }),
  command: z.object({ number: int, exit_status: int, seconds: z.number() }),
  package: z.object({
    name: text,
    architecture: text,
    version_from: text.nullable(),
    version_to: text.nullable(),
  }),
  content: z.object({ id: int, sha256: bytes, size: int }),
  contentChunk: z.object({ encoding: z.enum(['plain', 'zlib']), bytes }),
  step: z.object({ number: int, kind: z.enum(['files', 'script', 'action', 'triggers']) }),
  fileChange: z.discriminatedUnion('action', [
    z.object({
      action: z.literal('put'),
      position: int,
      path: bytes,
      type: fileType,
      mode: int,
      uid: int,
      gid: int,
      mtime_seconds: int.nullable(),
      mtime_nanoseconds: int.nullable(),
      sha256: bytes.nullable(),
      size: int.nullable(),
      target: bytes.nullable(),
      major: int.nullable(),
      minor: int.nullable(),
      ...merge,
    }),
    z.object({ action: z.literal('link'), position: int, path: bytes, link_to: bytes }),
    z.object({ action: z.literal('remove'), position: int, path: bytes, ...merge }),
  ]),
  fileOutput: z.object({ position: int, byte_offset: int, source: int }),
  fileXattr: z.object({ position: int, name: text, value: bytes }),
  scriptCall: z.object({
    kind: z.enum(scriptKinds),
    package: text,
    path: bytes,
    sha256: bytes,
    cwd: bytes,
    command: int,
    runs: z.enum(['offline', 'replay']),
    reason: text.nullable(),
    interpreter: bytes.nullable(),
    text_argument: int.nullable(),
    input_sha256: bytes.nullable(),
    terminal,
  }),
  liveAction: z.object({
    rule: text,
    path: bytes,
    sha256: bytes,
    cwd: bytes,
    terminal,
    command: int,
    script: int.nullable(),
  }),
  precondition: z.discriminatedUnion('type', [
    z.object({ path: bytes, type: z.literal('absent') }),
    z.object({
      path: bytes,
      type: fileType,
      mode: int,
      uid: int,
      gid: int,
      sha256: bytes.nullable(),
      size: int.nullable(),
      target: bytes.nullable(),
    }),
  ]),
  execution: z.object({ number: int, pid: int, parent: int, path: bytes, command: int, redirected: flag }),
  procRead: z.object({ path: text, reader: text, count: int, found: flag }),
  signal: z.object({
    command: int,
    after_step: int.nullable(),
    pid: int,
    signal: int,
    target: int,
    target_comm: text,
  }),
  auditEvent: z.object({
    kind: z.enum(auditKinds),
    command: int,
    pid: int,
    step: int.nullable(),
    package: text.nullable(),
    execution: int.nullable(),
    path: bytes.nullable(),
    other: bytes.nullable(),
    mode: int.nullable(),
    uid: int.nullable(),
    gid: int.nullable(),
    flags: int.nullable(),
    size: int.nullable(),
    major: int.nullable(),
    minor: int.nullable(),
    family: text.nullable(),
    host: text.nullable(),
    port: int.nullable(),
    errno: int.nullable(),
    target: int.nullable(),
    signal: int.nullable(),
    call: text.nullable(),
    message: int.nullable(),
  }),
  conffile: z.object({
    path: bytes,
    package: text.nullable(),
    decided_by: z.enum(conffileDeciders),
    decision: z.enum(conffileChoices),
    admin: bytes.nullable(),
    offered: bytes,
    beside: bytes.nullable(),
  }),
  debconfQuestion: z.object({
    number: int,
    name: text,
    type: text.nullable(),
    value: text.nullable(),
    withheld: flag,
    seen: flag,
  }),
  note: z.object({ code: text, text }),
  bytesValue: z.object({ value: bytes }),
  textValue: z.object({ value: text }),
} as const;
