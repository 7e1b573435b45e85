import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const mknodFunction = libc.func('int mknod(const char *path, uint32_t mode, uint64_t device)');
const setxattrFunction = libc.func(
  'int lsetxattr(const char *path, const char *name, const uint8_t *value, size_t size, int flags)',
);

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
