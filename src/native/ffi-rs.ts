import { DataType, load, open } from 'ffi-rs';
import type { ArgumentKind, Backend, Functions, ResultKind, Signature } from './signatures.js';

const types: Record<ArgumentKind | ResultKind, DataType> = {
  i32: DataType.I32,
  i64: DataType.I64,
  address: DataType.BigInt,
  string: DataType.String,
  bytes: DataType.U8Array,
};

/** The second back end, for where koffi ships no binary. Calls cost a few µs; a buffer's own memory is passed. */
export const ffiRsBackend: Backend = <T extends Readonly<Record<string, Signature>>>(
  path: string,
  table: T,
) => {
  open({ library: path, path });
  const bind = ([name, [result, ...args]]: [string, Signature]) => {
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
