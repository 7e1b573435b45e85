import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const mknodFunction = libc.func('int mknod(const char *path, uint32_t mode, uint64_t device)');
const setxattrFunction = libc.func(
  'int lsetxattr(const char *path, const char *name, const uint8_t *value, size_t size, int flags)',
);
const mmapFunction = libc.func(
  'intptr_t mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
);
const memcpyFunction = libc.func('void *memcpy(intptr_t to, const uint8_t *from, size_t length)');
const munmapFunction = libc.func('int munmap(intptr_t address, size_t length)');
/** PROT_READ | PROT_WRITE and MAP_SHARED. */
const [readWrite, shared] = [3, 1];

export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;

function checked(call: string, result: number): void {
  if (result < 0)
    throw Object.assign(new Error(`${call}: errno ${koffi.errno()}`), { code: `E${koffi.errno()}` });
}

export function mknod(path: string, mode: number, major = 0, minor = 0): void {
  checked('mknod', mknodFunction(path, mode, (major << 8) | minor) as number);
}

export function setXattr(path: string, name: string, value: Uint8Array): void {
  checked('lsetxattr', setxattrFunction(path, name, value, value.length, 0) as number);
}

/** A shared mapping of a file's first bytes, mmap(2). */
export function mapShared(path: string, length: number): Disposable & { write(bytes: Uint8Array): void } {
  const descriptor = openSync(path, 'r+');
  const address = mmapFunction(null, length, readWrite, shared, descriptor, 0) as number | bigint;
  closeSync(descriptor);
  checked('mmap', Number(address));
  return {
    write: (bytes) => void memcpyFunction(address, bytes, Math.min(bytes.length, length)),
    [Symbol.dispose]: () => checked('munmap', munmapFunction(address, length) as number),
  };
}
