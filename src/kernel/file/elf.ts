import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { errnoOf, OuaError } from '../../base/errors.js';
import type { ArchitectureName } from '../paging.js';
import { damaged } from './decompress.js';

const PT_LOAD = 1;
const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const sizes = { header: 64, programHeader: 56, sectionHeader: 64, symbol: 24 } as const;
/** Of a kernel's: sections of a vmlinux number below a hundred, and what is loaded is below 200 MB. */
const maxHeaders = 65_535;
const maxSection = 1024 * 1024 * 1024;

/** e_machine of `elf.h`. */
const machines: ReadonlyMap<number, ArchitectureName> = new Map([
  [62, 'x86-64'],
  [183, 'aarch64'],
]);

/** Bytes with their addresses as linked. */
export interface Segment {
  readonly address: bigint;
  readonly bytes: Buffer;
}

/** Positioned reads: of a file, which may be larger than memory, or of bytes that were unpacked. */
export interface ByteSource {
  readonly path: string;
  readonly size: number;
  read(offset: number, length: number): Buffer;
}

export function bytesOf(path: string, bytes: Buffer): ByteSource {
  return { path, size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

/** A file's bytes, until it is disposed of. @throws OuaError `FILE_MISSING`. */
export function openBytes(path: string): ByteSource & Disposable {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw new OuaError(
      'FILE_MISSING',
      `the kernel file ${path} cannot be opened (${errnoOf(error) ?? String(error)})`,
      'give the path of a file that you may read',
      { cause: error },
    );
  }
  return {
    path,
    size: fstatSync(fd).size,
    read(offset, length) {
      const target = Buffer.allocUnsafe(length);
      for (let done = 0; done < length;) {
        const count = readSync(fd, target, done, length - done, offset + done);
        if (count === 0) return target.subarray(0, done);
        done += count;
      }
      return target;
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

interface Section {
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

/** A 64-bit little-endian ELF file of a kernel, as far as a profile needs it. */
export class ElfFile {
  readonly #source: ByteSource;
  readonly #header: Buffer;
  readonly #sections: readonly Section[];
  readonly architecture: ArchitectureName;

  /** @throws OuaError `KERNEL_FILE`. */
  constructor(source: ByteSource) {
    this.#source = source;
    this.#header = this.#read(0, sizes.header);
    if (this.#header[4] !== ELFCLASS64 || this.#header[5] !== ELFDATA2LSB)
      throw damaged(source.path, 'it is no 64-bit little-endian ELF file');
    const machine = machines.get(this.#header.readUInt16LE(18));
    if (!machine) throw damaged(source.path, `it is for the ELF machine ${this.#header.readUInt16LE(18)}`);
    this.architecture = machine;
    this.#sections = this.#readSections();
  }

  /** What is loaded into memory and has bytes in the file. */
  segments(): Segment[] {
    const count = this.#header.readUInt16LE(56);
    const table = this.#read(this.#number(this.#header, 32), count * sizes.programHeader);
    const segments: Segment[] = [];
    for (let at = 0; at < table.length; at += sizes.programHeader) {
      if (table.readUInt32LE(at) !== PT_LOAD) continue;
      segments.push({
        address: table.readBigUInt64LE(at + 16),
        bytes: this.#read(this.#number(table, at + 8), this.#number(table, at + 32)),
      });
    }
    return segments;
  }

  has(section: string): boolean {
    return this.#sections.some(({ name }) => name === section);
  }

  /** A section's bytes, or undefined. */
  section(name: string): Buffer | undefined {
    const section = this.#sections.find((each) => each.name === name && each.type !== SHT_NOBITS);
    return section && this.#read(section.offset, section.size);
  }

  /** Symbols with an address by name, the first of each; undefined when the file is stripped. */
  symbols(): ReadonlyMap<string, bigint> | undefined {
    const table = this.#sections.find(({ type }) => type === SHT_SYMTAB);
    const strings = table && this.#sections[table.link];
    if (!strings) return undefined;
    const entries = this.#read(table.offset, table.size);
    const names = this.#read(strings.offset, strings.size);
    const symbols = new Map<string, bigint>();
    for (let at = sizes.symbol; at + sizes.symbol <= entries.length; at += sizes.symbol) {
      const start = entries.readUInt32LE(at);
      const isUndefined = entries.readUInt16LE(at + 6) === 0;
      if (isUndefined || start === 0 || start >= names.length) continue;
      const name = names.toString('latin1', start, names.indexOf(0, start));
      if (!symbols.has(name)) symbols.set(name, entries.readBigUInt64LE(at + 8));
    }
    return symbols;
  }

  #readSections(): Section[] {
    const offset = this.#number(this.#header, 40);
    const count = this.#header.readUInt16LE(60);
    if (offset === 0 || count === 0 || count > maxHeaders) return [];
    const table = this.#read(offset, count * sizes.sectionHeader);
    const rows = Array.from({ length: count }, (_, index) => {
      const at = index * sizes.sectionHeader;
      return {
        nameAt: table.readUInt32LE(at),
        type: table.readUInt32LE(at + 4),
        offset: this.#number(table, at + 24),
        size: this.#number(table, at + 32),
        link: table.readUInt32LE(at + 40),
      };
    });
    const strings = rows[this.#header.readUInt16LE(62)];
    if (!strings) return [];
    const names = this.#read(strings.offset, strings.size);
    return rows.map(({ nameAt, ...row }) => ({
      ...row,
      name: nameAt < names.length ? names.toString('latin1', nameAt, names.indexOf(0, nameAt)) : '',
    }));
  }

  #number(bytes: Buffer, at: number): number {
    const value = bytes.readBigUInt64LE(at);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw damaged(this.#source.path, 'an offset in it is impossible');
    return Number(value);
  }

  #read(offset: number, length: number): Buffer {
    if (length > maxSection || offset + length > this.#source.size)
      throw damaged(
        this.#source.path,
        `it ends at byte ${this.#source.size}, but should reach ${offset + length}`,
      );
    return this.#source.read(offset, length);
  }
}
