import { readFileSync } from 'node:fs';
import { errnoOf, OuaError } from '../../base/errors.js';
import { architectureNamed, type Architecture, type SymbolLookup } from '../architectures.js';
import { releaseOf } from '../banners.js';
import { findBuildId } from '../build-id.js';
import { kallsymsIn } from '../kallsyms-find.js';
import { Kallsyms } from '../kallsyms.js';
import type { ArchitectureName } from '../paging.js';
import { profileOf, type ProfileSource } from '../profile-build.js';
import type { Profile } from '../profile.js';
import { damaged } from './decompress.js';
import { bytesOf, ElfFile, openBytes, type Segment } from './elf.js';
import { btfFromDwarf } from './pahole.js';
import { parseSystemMap } from './system-map.js';
import { unpackKernel } from './vmlinuz.js';

const maxBanner = 1024;
const maxBtf = 64 * 1024 * 1024;
const maxNotes = 64 * 1024;
const elfMagic = 0x7f454c46;

/** Symbols and type information that were kept apart from their kernel. */
export interface KernelParts {
  /** Text as in System.map or, of a guest without KASLR, `/proc/kallsyms`. */
  readonly systemMap: string;
  /** File of raw BTF: `/sys/kernel/btf/vmlinux`, or what `pahole --btf_encode_detached` writes. */
  readonly btf: string;
  /** File with what `/proc/version` prints. */
  readonly banner: string;
  /** In hexadecimal digits. */
  readonly buildId?: string | undefined;
  readonly architecture: ArchitectureName;
}

/**
 * Builds a profile from a kernel file: a vmlinuz, or a vmlinux with BTF or debug information.
 * @throws OuaError `FILE_MISSING`, `KERNEL_FILE`, `KERNEL_NO_BTF`, `KERNEL_UNSUPPORTED`, `PROGRAM_MISSING`.
 */
export function profileOfFile(path: string): Profile {
  using file = openBytes(path);
  // A vmlinux with debug information is large, and only parts of it are read.
  const isElf = file.size >= 4 && file.read(0, 4).readUInt32BE(0) === elfMagic;
  if (isElf) return profileOf(sourceInElf(path, new ElfFile(file)));
  const unpacked = unpackKernel(path, file.read(0, file.size));
  return profileOf(
    unpacked.kind === 'elf'
      ? sourceInElf(path, new ElfFile(bytesOf(path, unpacked.bytes)))
      : sourceInArm64Image(path, unpacked.bytes),
  );
}

/**
 * Builds a profile from parts.
 * @throws OuaError as {@link profileOfFile}
 */
export function profileOfParts(parts: KernelParts): Profile {
  const symbols = parseSystemMap(readPart(parts.systemMap).toString('latin1'));
  const banner = readPart(parts.banner).toString('latin1');
  if (releaseOf(banner) === undefined)
    throw damaged(parts.banner, 'it does not hold what /proc/version prints');
  const architecture = architectureNamed(parts.architecture);
  const symbol = (name: string) => symbols.get(name);
  return profileOf({
    architecture,
    banner,
    symbol,
    shift: shiftOf(parts.systemMap, architecture, symbol),
    btf: readPart(parts.btf),
    buildId: parts.buildId,
  });
}

function sourceInElf(path: string, elf: ElfFile): ProfileSource {
  const segments = elf.segments();
  const [kallsyms, table] = [symbolsIn(segments, true), elf.symbols()];
  if (!kallsyms && !table) throw damaged(path, 'it has neither kallsyms nor a symbol table');
  // Without CONFIG_KALLSYMS_ALL kallsyms has functions only.
  const symbol = (name: string) => kallsyms?.(name) ?? table?.get(name);
  const source = sourceIn(path, architectureNamed(elf.architecture), segments, symbol);
  if (source.btf) return source;
  const btf = elf.section('.BTF') ?? (elf.has('.debug_info') ? btfFromDwarf(path) : undefined);
  return { ...source, btf };
}

/** An Image is the kernel's memory from `_text` on. Where its addresses start is known from its symbols only. */
function sourceInArm64Image(path: string, bytes: Buffer): ProfileSource {
  const symbol = symbolsIn([{ address: 0n, bytes }], false);
  const text = symbol?.('_text');
  if (!symbol) throw damaged(path, 'its symbol table (kallsyms) was not found');
  if (text === undefined)
    throw damaged(path, 'its symbol table has functions only (CONFIG_KALLSYMS_ALL is off)');
  return sourceIn(path, architectureNamed('aarch64'), [{ address: text, bytes }], symbol);
}

function symbolsIn(segments: readonly Segment[], relocated: boolean): SymbolLookup | undefined {
  for (const { address, bytes } of segments) {
    const tables = kallsymsIn(bytes) ?? (relocated ? undefined : kallsymsIn(bytes, false));
    if (!tables) continue;
    const kallsyms = new Kallsyms(tables, address);
    return (name) => kallsyms.address(name);
  }
  return undefined;
}

function sourceIn(
  path: string,
  architecture: Architecture,
  segments: readonly Segment[],
  symbol: SymbolLookup,
): ProfileSource {
  const between = (start: string, end: string, limit: number) => {
    const [from, to] = [symbol(start), symbol(end)];
    if (from === undefined || to === undefined || to <= from || to - from > BigInt(limit)) return undefined;
    return bytesAt(segments, from, Number(to - from));
  };
  const notes = between('__start_notes', '__stop_notes', maxNotes);
  return {
    architecture,
    banner: bannerIn(path, segments, symbol),
    symbol,
    shift: shiftOf(path, architecture, symbol),
    btf: between('__start_BTF', '__stop_BTF', maxBtf),
    buildId: notes && findBuildId(notes),
  };
}

function bannerIn(path: string, segments: readonly Segment[], symbol: SymbolLookup): string {
  const address = symbol('linux_banner');
  const bytes = address === undefined ? undefined : bytesAt(segments, address, maxBanner, 1);
  const banner = bytes?.toString('latin1', 0, Math.max(0, bytes.indexOf(0))) ?? '';
  if (releaseOf(banner) === undefined) throw damaged(path, 'it has no linux_banner');
  return banner;
}

/** Up to `length` bytes at an address as linked, at least `least`. */
function bytesAt(
  segments: readonly Segment[],
  address: bigint,
  length: number,
  least = length,
): Buffer | undefined {
  for (const segment of segments) {
    const at = Number(address - segment.address);
    if (at >= 0 && at + least <= segment.bytes.length) return segment.bytes.subarray(at, at + length);
  }
  return undefined;
}

function shiftOf(path: string, architecture: Architecture, symbol: SymbolLookup): bigint {
  const text = symbol('_text');
  if (text === undefined) throw damaged(path, 'it has no symbol _text');
  return text - architecture.linkText;
}

function readPart(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new OuaError(
      'FILE_MISSING',
      `${path} cannot be read (${errnoOf(error) ?? String(error)})`,
      'give the path of a file that you may read',
      { cause: error },
    );
  }
}
