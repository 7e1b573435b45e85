import { damaged, decompress } from './decompress.js';

/** setup_header of `Documentation/arch/x86/boot.rst`. */
const x86 = { setupSectors: 0x1f1, magic: 0x202, version: 0x206, payloadOffset: 0x248, payloadLength: 0x24c };
/** Payload fields came with protocol 2.08. */
const firstWithPayload = 0x0208;
const sectorSize = 512;
/** zboot header, `drivers/firmware/efi/libstub/zboot-header.S`. */
const zboot = { magic: 4, payloadOffset: 8, payloadSize: 12 };
/** Image header, `Documentation/arch/arm64/booting.rst`. */
const arm64Magic = 56;
const minHeader = 0x250;

/** What a boot file holds: an ELF file, or the memory of an aarch64 kernel from `_text` on. */
export type UnpackedKernel =
  { readonly kind: 'elf'; readonly bytes: Buffer } | { readonly kind: 'arm64-image'; readonly bytes: Buffer };

/**
 * Gets the kernel out of what a boot loader loads: a bzImage, an EFI zboot image, an aarch64 Image (plain or packed),
 * or an ELF file.
 * @throws OuaError `KERNEL_FILE`, `PROGRAM_MISSING`.
 */
export function unpackKernel(path: string, file: Buffer): UnpackedKernel {
  for (let bytes = file, layers = 0; layers < 4; layers++) {
    if (bytes.length < minHeader) break;
    if (bytes.readUInt32BE(0) === 0x7f454c46) return { kind: 'elf', bytes };
    if (bytes.toString('latin1', arm64Magic, arm64Magic + 4) === 'ARMd')
      return { kind: 'arm64-image', bytes };
    const inner = decompress(path, payloadOf(path, bytes));
    if (!inner) break;
    bytes = inner;
  }
  throw damaged(path, 'it is neither a vmlinux nor a boot image that we know');
}

/** The packed kernel in a boot image; the file itself when it has no header. */
function payloadOf(path: string, file: Buffer): Buffer {
  if (file.toString('latin1', x86.magic, x86.magic + 4) === 'HdrS') {
    if (file.readUInt16LE(x86.version) < firstWithPayload)
      throw damaged(path, 'its boot protocol is older than 2.08 (Linux 2.6.26)');
    const sectors = (file[x86.setupSectors] || 4) + 1;
    return slice(
      path,
      file,
      sectors * sectorSize + file.readUInt32LE(x86.payloadOffset),
      file.readUInt32LE(x86.payloadLength),
    );
  }
  if (file.toString('latin1', zboot.magic, zboot.magic + 4) === 'zimg')
    return slice(path, file, file.readUInt32LE(zboot.payloadOffset), file.readUInt32LE(zboot.payloadSize));
  return file;
}

function slice(path: string, file: Buffer, start: number, length: number): Buffer {
  if (start + length > file.length) throw damaged(path, 'it is shorter than its header says');
  return file.subarray(start, start + length);
}
