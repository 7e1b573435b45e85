/**
 * The one table of what the shim exports. Both back ends are built from it, and `Shim` is typed by it: to add
 * a function, declare it in a header of native-shim with `OUA_EXPORT` and add its row here.
 *
 * Every function returns a value ≥ 0, or `-errno` (see `check` in shim.ts).
 */

/**
 * What may cross the boundary, the smallest set that both FFI libraries carry the same way:
 *
 * | kind      | C                  | JavaScript                                                       |
 * |-----------|--------------------|------------------------------------------------------------------|
 * | `i32`     | `int32_t`          | number                                                           |
 * | `i64`     | `int64_t`          | number, a safe integer                                           |
 * | `address` | `int64_t`          | bigint: a tracee's address or another full 64-bit value          |
 * | `string`  | `const char *`     | string without NUL, as UTF-8; what need not be text goes as bytes |
 * | `bytes`   | `uint8_t *`        | Uint8Array, read and written in place; pass its length beside it |
 */
export type ArgumentKind = 'i32' | 'i64' | 'address' | 'string' | 'bytes';
export type ResultKind = 'i32' | 'i64';

export type Signature = readonly [result: ResultKind, ...arguments_: ArgumentKind[]];

/** Raise together with OUA_ABI_VERSION in native-shim/abi.h. */
export const abiVersion = 9;

export const signatures = {
  oua_abi_version: ['i32'],
  oua_struct_size: ['i32', 'string'],

  // native-shim/trace.h
  oua_trace_open: ['i32', 'i32'],
  oua_trace_close: ['i32', 'i32'],
  oua_trace_set_rows: ['i32', 'i32', 'bytes', 'i32'],
  oua_trace_set_asked: ['i32', 'i32', 'bytes', 'i32'],
  oua_trace_set_uname: ['i32', 'i32', 'bytes', 'i32'],
  oua_trace_set_sysinfo: ['i32', 'i32', 'bytes', 'i32'],
  oua_trace_set_cpus: ['i32', 'i32', 'i32', 'bytes', 'i32'],
  oua_trace_set_server: ['i32', 'i32', 'i32'],
  oua_trace_set_guest_pids: ['i32', 'i32', 'bytes', 'i32'],
  oua_trace_set_hidden_proc: ['i32', 'i32', 'string'],
  // run, file, argv, environment, cwd, stdin, stdout, stderr, filter
  // prettier-ignore
  oua_trace_start: ['i32', 'i32', 'bytes', 'bytes', 'i32', 'bytes', 'i32', 'bytes', 'i32', 'i32', 'i32', 'bytes', 'i32'],
  oua_trace_wait: ['i32', 'i32', 'bytes', 'i32', 'i32'],
  oua_trace_wake: ['i32', 'i32'],
  oua_trace_arm: ['i32', 'i32', 'i32'],
  oua_trace_quiesce: ['i32', 'i32', 'i32'],
  oua_trace_release: ['i32', 'i32'],
  oua_trace_kill: ['i32', 'i32'],
  oua_trace_list: ['i32', 'i32', 'bytes', 'i32'],
  oua_trace_read_counts: ['i32', 'i32', 'bytes', 'i32'],
  oua_trace_exec_continue: ['i32', 'i32', 'i32', 'i32'],
  oua_trace_exec_redirect: ['i32', 'i32', 'i32', 'i32', 'bytes', 'i32', 'bytes', 'i32'],
  oua_trace_exec_fail: ['i32', 'i32', 'i32', 'i32', 'i32'],
  oua_trace_call_continue: ['i32', 'i32', 'i32', 'i32'],
  oua_trace_call_answer: ['i32', 'i32', 'i32', 'i32', 'i64', 'i32', 'bytes', 'i32'],
  oua_trace_call_stand_in: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
  oua_trace_read_memory: ['i32', 'i32', 'address', 'bytes', 'i32'],
  oua_trace_open_program: ['i32', 'i32', 'bytes'],
  oua_pipe: ['i32', 'bytes', 'i32'],

  oua_attach_mount: ['i32', 'string', 'string', 'string', 'string', 'i32'],
  oua_make_directory: ['i32', 'string', 'string'],
  oua_open_in_root: ['i32', 'string', 'string', 'i32'],
  oua_mount: ['i32', 'string', 'string', 'string', 'i32', 'string'],
  oua_unmount: ['i32', 'string'],
  oua_sync_file_system: ['i32', 'string'],
  oua_attach_loop: ['i32', 'string', 'i64', 'i64', 'bytes', 'i32'],
  oua_container_enter_proc: ['i32', 'i32', 'string', 'string'],
  oua_container_set_last_pid: ['i32', 'i32', 'i32'],
  oua_list_xattrs: ['i32', 'bytes', 'bytes', 'i32'],
  oua_get_xattr: ['i32', 'bytes', 'string', 'bytes', 'i32'],
  oua_scan_tree: ['i32', 'string', 'i32', 'address', 'bytes', 'i32'],
  oua_zlib_compress: ['i32', 'bytes', 'i32', 'bytes', 'i32'],
  oua_exec: ['i32', 'bytes', 'i32'],

  // tree.h
  oua_tree_make: ['i32', 'i32', 'bytes', 'i32', 'i32', 'i32'],
  oua_tree_symlink: ['i32', 'i32', 'bytes', 'bytes'],
  oua_tree_link: ['i32', 'i32', 'bytes', 'bytes'],
  oua_tree_open: ['i32', 'i32', 'bytes'],
  oua_tree_set_owner: ['i32', 'i32', 'bytes', 'i32', 'i32', 'i32'],
  oua_tree_set_times: ['i32', 'i32', 'bytes', 'address', 'i32', 'address', 'i32'],
  oua_tree_set_xattr: ['i32', 'i32', 'bytes', 'string', 'bytes', 'i32'],

  // fuse.h
  oua_proc_check: ['i32', 'bytes', 'i64'],
  oua_proc_start: ['i32', 'string', 'bytes', 'i64'],
  oua_proc_attach: ['i32', 'i32', 'i32', 'string'],
  oua_proc_drain: ['i64', 'i32', 'bytes', 'i64'],
  oua_proc_thread: ['i32', 'i32'],
  oua_proc_hide: ['i32', 'i32', 'i32', 'i32'],
  oua_proc_stop: ['i32', 'i32'],
} as const satisfies Record<string, Signature>;

/** Bytes of every record that crosses the boundary packed in a buffer; compared with the shim's own at load. */
export const structSizes = {
  pointer: 8,
  oua_trace_event: 80,
  oua_trace_row: 11,
  oua_trace_held_call: 12,
  oua_trace_counts: 40,
  scan_entry: 32,
} as const satisfies Record<string, number>;

interface JsTypes {
  i32: number;
  i64: number;
  address: bigint;
  string: string;
  bytes: Uint8Array;
}

type JsArguments<A extends readonly unknown[]> = {
  -readonly [K in keyof A]: A[K] extends ArgumentKind ? JsTypes[A[K]] : never;
};

/** The JavaScript function for one row of a signature table. */
export type ShimFunction<S extends Signature> = S extends readonly [
  ResultKind,
  ...infer A extends ArgumentKind[],
]
  ? (...args: JsArguments<A>) => number
  : never;

/** All functions of a signature table. */
export type Functions<T extends Readonly<Record<string, Signature>>> = {
  readonly [K in keyof T]: ShimFunction<T[K]>;
};

/** Opens a shared library and binds every function of `table`. Throws when it does not load or lacks one of them. */
export type Backend = <T extends Readonly<Record<string, Signature>>>(path: string, table: T) => Functions<T>;
