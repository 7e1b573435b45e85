import { DataType, load, open } from 'ffi-rs';
import type { ArgumentKind, Backend, Functions, ResultKind, Signature } from './signatures.js';

const types: Record<ArgumentKind | ResultKind, DataType> = {
  i32: DataType.I32,
  i64: DataType.I64,
  address: DataType.BigInt,
  string: DataType.String,
  bytes: DataType.U8Array,
};

/**
 * The second back end, for where koffi ships no binary. Calls cost a few µs; a buffer's own memory is passed.
 *
 * ffi-rs keeps the libraries and functions that it knows in one table for all threads, without a lock (`LIBRARY_MAP` in
 * its src/lib.rs), and adds a function to it at its first call. So all are looked up here, before any is called: a
 * process has to open a library once before it starts a second thread that does.
 */
export const ffiRsBackend: Backend = <T extends Readonly<Record<string, Signature>>>(
  path: string,
  table: T,
) => {
  open({ library: path, path });
  const bind = ([name, [result, ...args]]: [string, Signature]) => {
    lookUp(path, name);
    const call = {
      library: path,
      funcName: name,
      retType: types[result],
      paramsType: args.map((kind) => types[kind]),
    };
    return [name, (...values: unknown[]) => load({ ...call, paramsValue: values })] as const;
  };
  return Object.fromEntries(Object.entries(table).map(bind)) as unknown as Functions<T>;
};

/** A call that comes to nothing: ffi-rs finds the function first and converts its arguments then. */
function lookUp(library: string, name: string): void {
  const noNumber = { retType: DataType.I32, paramsType: [DataType.I32], paramsValue: [''] };
  try {
    load({ library, funcName: name, ...noNumber });
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'NumberExpected') throw error;
    return;
  }
  throw new TypeError(`ffi-rs called '${name}' with an argument that is no number`);
}
