import { OuaError } from '../base/errors.js';
import type { PhysicalMemory } from '../memory/memory.js';
import { Btf } from './btf.js';
import type { Kallsyms } from './kallsyms.js';
import { resolveLayout } from './layout.js';
import { linkText, releaseOf, type KernelLocation } from './locate.js';
import { profileFormatVersion, sealProfile, type Profile } from './profile.js';
import { optionalSymbols, requiredSymbols } from './symbols.js';
import { sysctlHandlers } from './sysctl-handlers.js';

const maxBtf = 64 * 1024 * 1024;
const maxNotes = 64 * 1024;
const pageSize = 4096;
const NT_GNU_BUILD_ID = 3;

/**
 * Derives a profile from a kernel that was located through its own symbol table.
 * @throws OuaError `KERNEL_NO_BTF` when the kernel carries no type information, `KERNEL_UNSUPPORTED` when it lacks a
 *   symbol that everything hangs on.
 */
export function profileOf(memory: PhysicalMemory, location: KernelLocation, kallsyms: Kallsyms): Profile {
  const banner = location.banner.banner;
  const release = releaseOf(banner) ?? '';
  const blob = readSection(memory, location, kallsyms, '__start_BTF', '__stop_BTF', maxBtf);
  if (!blob)
    throw new OuaError(
      'KERNEL_NO_BTF',
      `the guest's kernel ${release} carries no type information (BTF)`,
      'give a profile of exactly this kernel build with --profile, or run a kernel built with CONFIG_DEBUG_INFO_BTF',
    );
  const symbols: Record<string, string> = {};
  for (const name of [...requiredSymbols, ...optionalSymbols, ...Object.values(sysctlHandlers).flat()]) {
    const address = kallsyms.address(name);
    if (address !== undefined) symbols[name] = `0x${unrelocated(address, location.shift).toString(16)}`;
  }
  const missing = requiredSymbols.find((name) => symbols[name] === undefined);
  if (missing)
    throw new OuaError(
      'KERNEL_UNSUPPORTED',
      `the symbol table of the guest's kernel ${release} has no ${missing}`,
      'a kernel built with CONFIG_KALLSYMS_ALL is needed',
    );
  const notes = readSection(memory, location, kallsyms, '__start_notes', '__stop_notes', maxNotes);
  return sealProfile({
    formatVersion: profileFormatVersion,
    architecture: 'x86-64',
    release,
    banner,
    buildId: (notes && findBuildId(notes)) ?? null,
    symbols,
    ...resolveLayout(new Btf(blob)),
  });
}

/** The build id in a notes section (`elf.5`, NT_GNU_BUILD_ID), in hexadecimal digits. */
export function findBuildId(notes: Buffer): string | undefined {
  for (let at = 0; at + 12 <= notes.length;) {
    const nameSize = notes.readUInt32LE(at);
    const size = notes.readUInt32LE(at + 4);
    const name = at + 12;
    const description = name + align4(nameSize);
    const end = description + align4(size);
    if (nameSize > notes.length || size > notes.length || end > notes.length) return undefined;
    if (
      notes.readUInt32LE(at + 8) === NT_GNU_BUILD_ID &&
      notes.toString('latin1', name, name + nameSize) === 'GNU\0'
    )
      return size >= 8 && size <= 32 ? notes.toString('hex', description, description + size) : undefined;
    at = end;
  }
  return undefined;
}

/** What stands between two symbols of the kernel's image, or undefined when there is no such section. */
function readSection(
  memory: PhysicalMemory,
  location: KernelLocation,
  kallsyms: Kallsyms,
  startSymbol: string,
  endSymbol: string,
  limit: number,
): Buffer | undefined {
  const start = kallsyms.address(startSymbol);
  const end = kallsyms.address(endSymbol);
  if (start === undefined || end === undefined || end <= start || end - start > BigInt(limit))
    return undefined;
  const length = Number(end - start);
  const physical = location.space.translate(start);
  // The image is one piece of physical memory; its last page proves it for this section.
  const last = location.space.translate(end - 1n);
  if (physical === undefined || last !== physical + length - 1) return undefined;
  return length > pageSize ? readPast(memory, physical, length) : memory.read(physical, length);
}

function readPast(memory: PhysicalMemory, physical: number, length: number): Buffer {
  const target = Buffer.allocUnsafe(length);
  memory.readInto(physical, target);
  return target;
}

function unrelocated(address: bigint, shift: bigint): bigint {
  return address < linkText ? address : address - shift;
}

function align4(value: number): number {
  return (value + 3) & ~3;
}
