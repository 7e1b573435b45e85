import { OuaError } from '../base/errors.js';
import type { Uts } from '../guest/guest.js';

/** Bytes of each field of `struct new_utsname`, linux/utsname.h: 64 and a NUL. */
const fieldSize = 65;
const fields = ['sysname', 'nodename', 'release', 'version', 'machine', 'domainname'] as const;

/** Bytes of what `packUts` returns. */
export const packedUtsSize = 2 * fields.length * fieldSize;

/** What uname(2) calls the machine under the personality PER_LINUX32 (`COMPAT_UTS_MACHINE`). */
const linux32Machine: Readonly<Record<string, string>> = { x86_64: 'i686', aarch64: 'armv8l' };

/**
 * The answers to uname(2): two `struct new_utsname`, 390 bytes each, as programs see them natively and under
 * the personality PER_LINUX32.
 *
 * @throws OuaError `GUEST_INCONSISTENT` for a name that no kernel can have: longer than 64 bytes, or with a NUL.
 */
export function packUts(uts: Uts): Buffer {
  const machine = linux32Machine[uts.machine] ?? uts.machine;
  return Buffer.concat([pack(uts), pack({ ...uts, machine })]);
}

function pack(uts: Uts): Buffer {
  const bytes = Buffer.alloc(fields.length * fieldSize);
  fields.forEach((field, index) => {
    const value = Buffer.from(uts[field]);
    if (value.length >= fieldSize || value.includes(0))
      throw new OuaError(
        'GUEST_INCONSISTENT',
        `the guest's uts name '${field}' is no name that a kernel can have`,
        'check that the memory image is whole and belongs to this guest',
      );
    value.copy(bytes, index * fieldSize);
  });
  return bytes;
}
