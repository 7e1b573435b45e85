import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { getSystemErrorName } from 'node:util';
import { OuaError } from '../base/errors.js';
import { ffiRsBackend } from './ffi-rs.js';
import { koffiBackend } from './koffi.js';
import { abiVersion, signatures, structSizes, type Backend, type Functions } from './signatures.js';

const backends = { koffi: koffiBackend, 'ffi-rs': ffiRsBackend } as const satisfies Record<string, Backend>;

/** Names of the FFI back ends, as `OUASSISTER_FFI` takes them. */
export type BackendName = keyof typeof backends;
export const backendNames = Object.keys(backends) as BackendName[];

/** The shim's functions, one per row of the signature table. */
export type Shim = Functions<typeof signatures>;

const buildFolder = new URL('../../../native-shim/build/', import.meta.url);

/** Host paths of what `make -C native-shim` builds. */
export const nativeFiles = {
  library: fileURLToPath(new URL('libouassister.so', buildFolder)),
  stub: fileURLToPath(new URL('stub', buildFolder)),
  init: fileURLToPath(new URL('init', buildFolder)),
  rehearse: fileURLToPath(new URL('rehearse', buildFolder)),
  agent: fileURLToPath(new URL('agent', buildFolder)),
} as const;

const loaded = new Map<string, Shim>();

/** The back end that `OUASSISTER_FFI` chooses. @throws OuaError `USAGE` for a name that is none. */
export function chosenBackend(environment: NodeJS.ProcessEnv = process.env): BackendName {
  const name = environment['OUASSISTER_FFI'] || 'koffi';
  const known = backendNames.find((candidate) => candidate === name);
  if (known) return known;
  throw new OuaError(
    'USAGE',
    `OUASSISTER_FFI is '${name}'`,
    `set it to one of: ${backendNames.join(', ')}, or leave it unset`,
  );
}

/**
 * Loads the shim once per back end and thread, and checks that it is the one that this program was built for.
 *
 * @throws OuaError `SHIM_MISSING` when it is not built, `SHIM_MISMATCH` when it is another version.
 */
export function loadShim(backend: BackendName = chosenBackend(), path: string = nativeFiles.library): Shim {
  const key = `${backend}:${path}`;
  const known = loaded.get(key);
  if (known) return known;
  if (!existsSync(path))
    throw new OuaError('SHIM_MISSING', `the native shim ${path} is not built`, 'run `make -C native-shim`');
  const shim = open(backend, path);
  loaded.set(key, shim);
  return shim;
}

function open(backend: BackendName, path: string): Shim {
  const mismatch = (what: string, cause?: unknown) =>
    new OuaError('SHIM_MISMATCH', `the native shim ${path} ${what}`, 'run `make -C native-shim`', { cause });
  let shim: Shim;
  try {
    shim = backends[backend](path, signatures);
  } catch (error) {
    throw mismatch(
      `does not load with ${backend}: ${error instanceof Error ? error.message : String(error)}`,
      error,
    );
  }
  const version = shim.oua_abi_version();
  if (version !== abiVersion) throw mismatch(`has ABI version ${version}, not ${abiVersion}`);
  for (const [name, size] of Object.entries(structSizes))
    if (shim.oua_struct_size(name) !== size)
      throw mismatch(`has another layout of '${name}' (${shim.oua_struct_size(name)} bytes, not ${size})`);
  return shim;
}

/** A failed call of the shim, told apart by `code` as Node's own system errors are. */
export class ShimError extends Error {
  readonly errno: number;
  /** Name of the errno, e.g. `ENOENT`. */
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = errnoName(errno);
    super(`${call}: ${code}`);
    this.name = 'ShimError';
    this.errno = errno;
    this.code = code;
  }
}

/** Passes a result ≥ 0 through. @throws ShimError for `-errno`; `call` says what was tried. */
export function check(call: string, result: number): number {
  if (result < 0) throw new ShimError(call, -result);
  return result;
}

/** Name of an errno, e.g. `ENOENT`. */
export function errnoName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `errno ${errno}`;
  }
}
