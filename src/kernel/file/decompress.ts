import { spawnSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import { toolEnvironment } from '../../base/command.js';
import { errnoOf, OuaError } from '../../base/errors.js';

/** No kernel comes near it; a payload that claims more is damage. */
const maxBytes = 1024 * 1024 * 1024;

/** The unpacked size that the build puts behind the payload, in bytes. */
const sizeAppended = 4;

interface Compression {
  readonly magic: Buffer;
  readonly unpack: (path: string, payload: Buffer) => Buffer;
}

/**
 * What `arch/x86/boot/compressed` and Image.gz pack kernels with, by the first bytes. The build appends the unpacked
 * size to all but gzip's, which the programs are not to see (`cmd_*_with_size`, `scripts/Makefile.lib`).
 */
const compressions: readonly Compression[] = [
  {
    magic: Buffer.from('1f8b', 'hex'),
    unpack: (_, payload) => gunzipSync(payload, { maxOutputLength: maxBytes }),
  },
  {
    magic: Buffer.from('fd377a585a00', 'hex'),
    unpack: through('xz', 'xz-utils', ['-dc', '--single-stream']),
  },
  { magic: Buffer.from('28b52ffd', 'hex'), unpack: through('zstd', 'zstd', ['-dcq']) },
  { magic: Buffer.from('02214c18', 'hex'), unpack: through('lz4', 'lz4', ['-dcq']) },
  { magic: Buffer.from('425a68', 'hex'), unpack: through('bzip2', 'bzip2', ['-dcq']) },
  { magic: Buffer.from('5d0000', 'hex'), unpack: through('xz', 'xz-utils', ['-dc', '--format=lzma']) },
];

/**
 * The unpacked bytes, or undefined when they are not packed in a way that we know.
 * @param path for messages
 * @throws OuaError `PROGRAM_MISSING`, or `KERNEL_FILE` when the payload is damaged.
 */
export function decompress(path: string, payload: Buffer): Buffer | undefined {
  const compression = compressions.find(({ magic }) => payload.subarray(0, magic.length).equals(magic));
  if (!compression) return undefined;
  try {
    return compression.unpack(path, payload);
  } catch (error) {
    if (error instanceof OuaError) throw error;
    throw damaged(path, 'its packed kernel cannot be unpacked', error);
  }
}

/** KERNEL_FILE: the file is no kernel that a profile can be built from. */
export function damaged(path: string, why: string, cause?: unknown): OuaError {
  return new OuaError(
    'KERNEL_FILE',
    `no profile can be built from ${path}: ${why}`,
    'give a vmlinuz or vmlinux of the very build that the guest runs, or --system-map and --btf',
    { cause },
  );
}

function through(program: string, debianPackage: string, args: readonly string[]) {
  return (path: string, payload: Buffer): Buffer => {
    let words = '';
    for (const input of [payload.subarray(0, -sizeAppended), payload]) {
      const { stdout, stderr, error, status } = spawnSync(program, args, {
        input,
        env: toolEnvironment,
        maxBuffer: maxBytes,
      });
      if (errnoOf(error) === 'ENOENT')
        throw new OuaError(
          'PROGRAM_MISSING',
          `the program '${program}' is not installed`,
          `install it: apt-get install ${debianPackage}`,
        );
      if (!error && status === 0) return stdout;
      words = error?.message ?? stderr.toString().trim();
    }
    throw damaged(path, `${program} says: ${words}`);
  };
}
