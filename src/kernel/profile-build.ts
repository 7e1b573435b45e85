import { OuaError } from '../base/errors.js';
import type { PhysicalMemory } from '../memory/memory.js';
import type { Architecture, SymbolLookup } from './architectures.js';
import { releaseOf } from './banners.js';
import { Btf } from './btf.js';
import { findBuildId } from './build-id.js';
import { resolveLayout } from './layout.js';
import type { KernelLocation } from './locate.js';
import { sealProfile, type Profile } from './profile.js';
import { profileFormatVersion } from './profile-shape.js';
import { reader, wantedSymbols } from './reader.js';
import { requiredSymbols } from './symbols.js';

const maxBtf = 64 * 1024 * 1024;
const maxNotes = 64 * 1024;
const pageSize = 4096;

/** What a profile is made from, wherever it is found: a guest's memory or the files of a kernel. */
export interface ProfileSource {
  readonly architecture: Architecture;
  /** The whole of linux_banner. */
  readonly banner: string;
  readonly symbol: SymbolLookup;
  /** What the symbols of the image differ by from a profile's. */
  readonly shift: bigint;
  /** The kernel's type information, or undefined when it has none. */
  readonly btf: Buffer | undefined;
  /** In hexadecimal digits. */
  readonly buildId: string | undefined;
}

/**
 * Makes a profile.
 * @throws OuaError `KERNEL_NO_BTF` when the kernel carries no type information, `KERNEL_UNSUPPORTED` when it lacks a
 *   symbol that everything hangs on, `GUEST_INCONSISTENT` for type information that is damaged.
 */
export function profileOf(source: ProfileSource): Profile {
  const { architecture, banner, symbol, shift } = source;
  const release = releaseOf(banner) ?? '';
  if (!source.btf)
    throw new OuaError(
      'KERNEL_NO_BTF',
      `the kernel ${release} carries no type information (BTF)`,
      'build a profile from its vmlinux with debug information: ouassister profile build vmlinux',
    );
  const symbols: Record<string, string> = {};
  for (const name of wantedSymbols) {
    const address = symbol(name);
    if (address === undefined) continue;
    const linked = architecture.inImage(address) ? address - shift : address;
    symbols[name] = `0x${linked.toString(16)}`;
  }
  const missing = requiredSymbols.find((name) => symbols[name] === undefined);
  if (missing)
    throw new OuaError(
      'KERNEL_UNSUPPORTED',
      `the symbol table of the kernel ${release} has no ${missing}`,
      'a kernel built with CONFIG_KALLSYMS_ALL is needed',
    );
  return sealProfile({
    formatVersion: profileFormatVersion,
    architecture: architecture.name,
    release,
    banner,
    buildId: source.buildId ?? null,
    reader,
    symbols,
    ...resolveLayout(new Btf(source.btf)),
  });
}

/** A kernel that was located in memory through its own symbol table. */
export function sourceInMemory(
  memory: PhysicalMemory,
  location: KernelLocation,
  symbol: SymbolLookup,
): ProfileSource {
  const section = (start: string, end: string, limit: number) => {
    const place = sectionPlace(location, symbol, start, end, limit);
    return place && readPast(memory, place.physical, place.length);
  };
  const notes = section('__start_notes', '__stop_notes', maxNotes);
  return {
    architecture: location.architecture,
    banner: location.banner.banner,
    symbol,
    shift: location.shift,
    btf: section('__start_BTF', '__stop_BTF', maxBtf),
    buildId: notes && findBuildId(notes),
  };
}

/** Where the type information of a kernel in memory is, or undefined. */
export function btfPlace(location: KernelLocation, symbol: SymbolLookup) {
  return sectionPlace(location, symbol, '__start_BTF', '__stop_BTF', maxBtf);
}

/** What stands between two symbols of the kernel's image, or undefined when there is no such section. */
function sectionPlace(
  location: KernelLocation,
  symbol: SymbolLookup,
  startSymbol: string,
  endSymbol: string,
  limit: number,
): { readonly physical: number; readonly length: number } | undefined {
  const start = symbol(startSymbol);
  const end = symbol(endSymbol);
  if (start === undefined || end === undefined || end <= start || end - start > BigInt(limit))
    return undefined;
  const length = Number(end - start);
  const physical = location.space.translate(start);
  // The image is one piece of physical memory; its last page proves it for this section.
  const last = location.space.translate(end - 1n);
  return physical === undefined || last !== physical + length - 1 ? undefined : { physical, length };
}

function readPast(memory: PhysicalMemory, physical: number, length: number): Buffer {
  if (length <= pageSize) return memory.read(physical, length);
  const target = Buffer.allocUnsafe(length);
  memory.readInto(physical, target);
  return target;
}
