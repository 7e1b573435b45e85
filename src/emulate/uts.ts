import { OuaError } from '../base/errors.js';
import type { Uts } from '../guest/guest.js';

/** Bytes of each field of `struct new_utsname`, linux/utsname.h: 64 and a NUL. */
const fieldSize = 65;
const fields = ['sysname', 'nodename', 'release', 'version', 'machine', 'domainname'] as const;

const utsSize = fields.length * fieldSize;

/** What uname(2) calls the machine under the personality PER_LINUX32 (`COMPAT_UTS_MACHINE`). */
const linux32Machine: Readonly<Record<string, string>> = { x86_64: 'i686', aarch64: 'armv8l' };

/**
 * The answers to uname(2): four `struct new_utsname`, 390 bytes each, as programs see them under no special
 * personality, under PER_LINUX32, under UNAME26 and under both.
 *
 * @throws OuaError `GUEST_INCONSISTENT` for a name that no kernel can have: longer than 64 bytes, or with a NUL,
 * or a release that does not begin with a version.
 */
export function packUts(uts: Uts): Buffer {
  const plain = pack(uts);
  const linux32 = pack({ ...uts, machine: linux32Machine[uts.machine] ?? uts.machine });
  const release = release26(uts.release);
  return Buffer.concat([plain, linux32, withRelease(plain, release), withRelease(linux32, release)]);
}

function pack(uts: Uts): Buffer {
  const bytes = Buffer.alloc(utsSize);
  fields.forEach((field, index) => {
    const value = Buffer.from(uts[field]);
    if (value.length >= fieldSize || value.includes(0)) throw impossible(field);
    value.copy(bytes, index * fieldSize);
  });
  return bytes;
}

/** As the kernel does it to the copy: behind the new release's NUL stays what was there. */
function withRelease(names: Buffer, release: Buffer): Buffer {
  const bytes = Buffer.from(names);
  Buffer.concat([release, Buffer.of(0)]).copy(bytes, fields.indexOf('release') * fieldSize);
  return bytes;
}

/** `override_release`, kernel/sys.c: 6.1.0-38-amd64 is 2.6.61-38-amd64 to programs that expect 2.6. */
function release26(release: string): Buffer {
  const [version, patchLevel] = /^\d+\.(\d+)(?:\.\d*)?/.exec(release) ?? [];
  if (version === undefined) throw impossible('release');
  return Buffer.from(`2.6.${60 + Number(patchLevel)}${release.slice(version.length)}`).subarray(
    0,
    fieldSize - 1,
  );
}

function impossible(field: string): OuaError {
  return new OuaError(
    'GUEST_INCONSISTENT',
    `the guest's uts name '${field}' is no name that a kernel can have`,
    'check that the memory image is whole and belongs to this guest',
  );
}
