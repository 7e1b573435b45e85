/**
 * How files of each memory image format begin: enough to tell which one a file is of, before what reads that format is
 * loaded. `start` is the first 4 KiB of the file, or all of a smaller one.
 */

const elf = 0x7f454c46;
const elfClass64 = 2;
export const ET_CORE = 4;

export const limeMagic = 0x4c694d45;
export const avmlMagic = 0x4c4d5641;
/** QEVM, big-endian. */
export const migrationMagic = 0x5145564d;
export const kdumpSignature = Buffer.from('KDUMP   ', 'latin1');
const flattenedSignature = Buffer.from('makedumpfile\0', 'latin1');
const qcow2Magic = Buffer.from('QFI\xfb', 'latin1');
const libvirtMagic = Buffer.from('LibvirtQemudSave', 'latin1');
/** Of a save that libvirt has not finished. */
export const libvirtPartial = Buffer.from('LibvirtQemudPart', 'latin1');
/** How the name of a file with VMware's bare memory ends. */
export const vmwareMemoryFile = '.vmem';
/** The magic numbers of VMware's state files (.vmss, .vmsn), as bytes; the low digit of the first is the version. */
const vmwareMagics = ['d0bed2be', 'd1bad1ba', 'd2bed2be', 'd3bed3be'];
/** SNAPSHOT_MAGIC_ID of Firecracker (src/vmm/src/snapshot): the machine is in it, and the lowest 16 bits may move. */
export const firecrackerMagics: ReadonlyMap<bigint, string> = new Map([
  [0x0710_1984_8664n, 'x86-64'],
  [0x0710_1984_aaaan, 'aarch64'],
]);

const begins = (start: Buffer, mark: Buffer) => start.subarray(0, mark.length).equals(mark);
const wordIs = (start: Buffer, magic: number) => start.length >= 4 && start.readUInt32LE(0) === magic;

export function isElf(start: Buffer): boolean {
  return start.length >= 16 && start.readUInt32BE(0) === elf;
}

/** An ELF core without program headers, and with sections. */
export function isXenCore(start: Buffer): boolean {
  return (
    start.length >= 64 &&
    isElf(start) &&
    start[4] === elfClass64 &&
    start.readUInt16LE(16) === ET_CORE &&
    start.readUInt16LE(56) === 0 &&
    start.readUInt16LE(60) > 0
  );
}

export function isKdump(start: Buffer): boolean {
  return isFlattened(start) || begins(start, kdumpSignature);
}

export function isFlattened(start: Buffer): boolean {
  return begins(start, flattenedSignature);
}

export function isMigration(start: Buffer): boolean {
  return start.length >= 4 && start.readUInt32BE(0) === migrationMagic;
}

export function isQcow2(start: Buffer): boolean {
  return begins(start, qcow2Magic);
}

export function isLibvirtSave(start: Buffer): boolean {
  return begins(start, libvirtMagic) || begins(start, libvirtPartial);
}

export function isLime(start: Buffer): boolean {
  return wordIs(start, limeMagic);
}

export function isAvml(start: Buffer): boolean {
  return wordIs(start, avmlMagic);
}

export function isVmware(start: Buffer, path: string): boolean {
  return isVmwareState(start) || path.endsWith(vmwareMemoryFile);
}

export function isVmwareState(start: Buffer): boolean {
  return vmwareMagics.includes(start.toString('hex', 0, 4));
}

export function isFirecrackerState(start: Buffer): boolean {
  return start.length >= 8 && firecrackerMagics.has(start.readBigUInt64LE(0) >> 16n);
}
