import { Cursor } from './cursor.js';
import { readMappedBlock } from './mapped-ram.js';
import { migrationMagic } from './marks.js';
import { IndexBudget, PageIndex } from './page-index.js';
import { unreadable } from './refusals.js';
import type { ByteSource } from './source.js';

/** Where the pages of a RAM block are. */
export interface BlockPages {
  /** Offset of the page's bytes in the file; -1 - b for a page that is the byte b all over; 0 when it is not there. */
  at(page: number): number;
  /** The runs of pages that are there, ascending. */
  runs(): Iterable<readonly [first: number, end: number]>;
}

export interface RamBlock {
  readonly name: string;
  /** Bytes. */
  readonly length: number;
  readonly pages: BlockPages;
}

/** What a migration stream says of the RAM. */
export interface Migration {
  /** QEMU's machine type, such as `pc-i440fx-7.2`; empty when the stream does not say. */
  readonly machine: string;
  /** Bytes of a page of the target. */
  readonly pageSize: number;
  readonly blocks: readonly RamBlock[];
}

const version = 3;
const ramVersion = 4;
const defaultPageSize = 4096;
const maxBlocks = 1024;
const maxCapabilities = 256;

/** QEMU_VM_*, migration/savevm.h. */
const section = {
  eof: 0,
  start: 1,
  part: 2,
  end: 3,
  full: 4,
  sub: 5,
  configuration: 7,
  command: 8,
  footer: 0x7e,
};

/** RAM_SAVE_FLAG_*, migration/ram.c: the low bits of a page's address. */
const flag = { zero: 0x02, sizes: 0x04, page: 0x08, end: 0x10, sameBlock: 0x20, flush: 0x200 };

/** Records that we do not read, and what to switch off at the migration. */
const unreadableRecords: ReadonlyMap<number, string> = new Map([
  [0x40, 'xbzrle'],
  [0x80, 'rdma'],
  [0x100, 'compress'],
]);

/** Capabilities that the stream names and that change what is in it. */
const refusedCapabilities = ['x-ignore-shared'];

/**
 * Reads a stream of QEMU's migration (`migrate`, `savevm`; docs/devel/migration) from `start` up to the end of its
 * RAM, which is before the devices' states. Only the records' heads are looked at. A page that is sent more than
 * once counts as it was sent last.
 *
 * In memory: 8 bytes a page, made where the stream has pages.
 *
 * @throws OuaError `MEMORY_TRUNCATED` when the stream ends before the RAM does, `MEMORY_FORMAT` when it is damaged or
 *   has something in it that cannot be stepped over.
 */
export function readMigration(source: ByteSource, start = 0): Migration {
  return new StreamReader(source, start).read();
}

/** A block whose pages come one by one has an index. */
type Block = RamBlock & { readonly index?: PageIndex };

class StreamReader {
  readonly #source: ByteSource;
  readonly #stream: Cursor;
  readonly #budget: IndexBudget;
  readonly #blocks = new Map<string, Block>();
  /** The one that the last page belonged to, also of an earlier section. */
  #block: Block | undefined;
  #machine = '';
  #pageSize = defaultPageSize;
  #mapped = false;
  #ramSection: number | undefined;

  constructor(source: ByteSource, start: number) {
    this.#source = source;
    this.#stream = new Cursor(source, start);
    this.#budget = new IndexBudget(source.path, source.size);
  }

  read(): Migration {
    if (this.#stream.be32() !== migrationMagic) throw this.#wrong('it is no migration stream');
    const found = this.#stream.be32();
    if (found !== version) throw this.#wrong(`its migration stream has version ${found}`);
    if (this.#stream.peek() === section.configuration) this.#readConfiguration();
    while (!this.#readSection());
    return { machine: this.#machine, pageSize: this.#pageSize, blocks: [...this.#blocks.values()] };
  }

  #readConfiguration(): void {
    this.#stream.u8();
    this.#machine = this.#stream.text(this.#stream.be32());
    while (this.#stream.peek() === section.sub) {
      this.#stream.u8();
      const name = this.#stream.shortText();
      this.#stream.be32();
      const read = this.#configurations[name];
      if (!read) throw this.#wrong(`its configuration has an unknown part ${JSON.stringify(name)}`);
      read();
    }
  }

  /** Parts of the configuration, by name (vmstate_configuration in migration/savevm.c). */
  readonly #configurations: Readonly<Record<string, () => void>> = {
    'configuration/target-page-bits': () => {
      const bits = this.#stream.be32();
      if (bits < 10 || bits > 16) throw this.#wrong(`it claims pages of 2^${bits} bytes`);
      this.#pageSize = 2 ** bits;
    },
    'configuration/capabilities': () => {
      const count = this.#stream.be32();
      if (count > maxCapabilities) throw this.#wrong(`it claims ${count} capabilities`);
      for (let index = 0; index < count; index++) {
        const name = this.#stream.shortText();
        if (refusedCapabilities.includes(name))
          throw this.#wrong(`its RAM was left out (${name})`, `save it without ${name}`);
        if (name === 'mapped-ram') this.#mapped = true;
      }
    },
    'configuration/uuid': () => this.#stream.skip(16),
  };

  /** Reads the next section; true once the RAM is complete. */
  #readSection(): boolean {
    const at = this.#stream.at;
    const type = this.#stream.u8();
    if (type === section.command) {
      this.#stream.be16();
      this.#stream.skip(this.#stream.be16());
      return false;
    }
    if (type === section.start || type === section.full) {
      const id = this.#stream.be32();
      const name = this.#stream.shortText();
      this.#stream.be32();
      const found = this.#stream.be32();
      if (type === section.full || name !== 'ram')
        throw this.#wrong(
          `the state of the device ${JSON.stringify(name)} stands before the end of the RAM, and its length is not known`,
        );
      if (found !== ramVersion) throw this.#wrong(`its RAM has version ${found}`);
      this.#ramSection = id;
    } else if (type === section.eof) {
      throw this.#wrong('it ends before its RAM does');
    } else if (type !== section.part && type !== section.end && type !== section.footer) {
      throw this.#wrong(`it has an unknown section ${type} at byte ${at}`);
    } else if (this.#stream.be32() !== this.#ramSection) {
      throw this.#wrong(`it has a section at byte ${at} that never started`);
    }
    if (type === section.footer) return false;
    this.#readRam();
    return type === section.end;
  }

  /** The records of one section of RAM. */
  #readRam(): void {
    for (;;) {
      const word = this.#stream.be64();
      const flags = word % Math.min(this.#pageSize, 4096);
      if (flags === flag.end) return;
      if (flags === flag.flush) continue;
      if (flags === flag.sizes) {
        this.#readBlocks(word - flags);
        continue;
      }
      if (!(flags & flag.sameBlock)) this.#block = this.#blockNamed(this.#stream.shortText());
      const block = this.#block;
      const index = block?.index;
      if (!block || !index) throw this.#wrong('it has a page that belongs to no block');
      const address = word - flags;
      if (address % this.#pageSize !== 0 || address >= block.length)
        throw this.#wrong(`its block ${block.name} has no page at 0x${address.toString(16)}`);
      index.set(address / this.#pageSize, this.#readPage(flags & ~flag.sameBlock));
    }
  }

  /** What {@link BlockPages.at} shall say of the page whose record's head was read. */
  #readPage(type: number): number {
    if (type === flag.page) return this.#stream.skip(this.#pageSize);
    if (type === flag.zero) return -1 - this.#stream.u8();
    const capability = unreadableRecords.get(type);
    throw capability === undefined
      ? this.#wrong(`it has an unknown record 0x${type.toString(16)} at byte ${this.#stream.at}`)
      : this.#wrong(
          `it was saved with the migration capability ${capability}`,
          `save it without ${capability}`,
        );
  }

  /** The list of blocks: names and lengths, up to the total that was said. */
  #readBlocks(total: number): void {
    if (this.#blocks.size > 0) throw this.#wrong('it lists its RAM blocks twice');
    for (let left = total; left > 0;) {
      const name = this.#stream.shortText();
      const length = this.#stream.be64();
      if (length === 0 || length > left || length % this.#pageSize !== 0 || this.#blocks.has(name))
        throw this.#wrong(`its RAM block ${JSON.stringify(name)} has an impossible length`);
      if (this.#blocks.size === maxBlocks) throw this.#wrong(`it has more than ${maxBlocks} RAM blocks`);
      left -= length;
      if (this.#mapped) {
        const pages = readMappedBlock(this.#source, this.#stream, length, this.#pageSize);
        this.#blocks.set(name, { name, length, pages });
      } else {
        const index = new PageIndex(this.#budget);
        this.#blocks.set(name, { name, length, pages: index, index });
      }
    }
  }

  #blockNamed(name: string) {
    const block = this.#blocks.get(name);
    if (block) return block;
    throw this.#wrong(`it has a page of a block ${JSON.stringify(name)} that it does not list`);
  }

  #wrong(why: string, hint?: string): Error {
    return unreadable(this.#source.path, why, hint);
  }
}
