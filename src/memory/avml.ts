import { readRangeHeader } from './lime.js';
import { avmlMagic } from './marks.js';
import { PagedMemory, type PagedImage } from './paged-memory.js';
import { maxPieces, RangeList } from './ranges.js';
import { truncated, unreadable } from './refusals.js';
import { decodeSnappy, snappyLength } from './snappy.js';
import type { ByteSource } from './source.js';

const headerSize = 32;
/** The length of its compressed bytes stands behind each range. */
const trailerSize = 8;
const pageSize = 4096;
/** Largest chunk of Snappy's framing format, decompressed; and compressed, with what incompressible data costs. */
const maxChunk = 65536;
const maxStored = 80_000;
const chunkHeader = 4;
const checksumSize = 4;
const chunkType = { compressed: 0x00, plain: 0x01, firstSkippable: 0x80 };
const chunksKept = 64;
/** A guest of 256 GiB in full chunks. */
const maxChunks = 1 << 22;

/**
 * What AVML writes with `--compress` (version 2): ranges as in LiME's format, each a stream of Snappy's framing format
 * (google/snappy, framing_format.txt). Takes charge of the file.
 *
 * In memory: 24 bytes for each chunk of 64 KiB, and the 64 chunks that were decompressed last.
 *
 * @throws OuaError `MEMORY_FORMAT`, `MEMORY_TRUNCATED`
 */
export function openAvml(file: ByteSource): PagedMemory {
  return new PagedMemory(file, new AvmlImage(file));
}

class AvmlImage implements PagedImage {
  readonly format = 'avml';
  readonly architecture = undefined;
  readonly pageSize = pageSize;
  readonly ranges;
  readonly #source: ByteSource;
  readonly #chunks: ChunkTable;
  readonly #decoded = new Map<number, Buffer>();

  constructor(source: ByteSource) {
    this.#source = source;
    this.#chunks = readChunks(source);
    const list = new RangeList(source.path);
    for (let chunk = 0; chunk < this.#chunks.count; chunk++) {
      const address = this.#chunks.address(chunk);
      list.add(address, address + this.#chunks.length(chunk));
    }
    this.ranges = list.ranges;
  }

  load(page: number, target: Buffer): boolean {
    for (let done = 0; done < pageSize;) {
      const address = page * pageSize + done;
      const chunk = this.#chunks.find(address);
      if (chunk < 0) return false;
      const bytes = this.#decode(chunk);
      done += bytes.copy(target, done, address - this.#chunks.address(chunk));
    }
    return true;
  }

  #decode(chunk: number): Buffer {
    const known = this.#decoded.get(chunk);
    if (known) return known;
    const { offset, stored, compressed } = this.#chunks.place(chunk);
    const input = this.#source.read(offset, stored);
    const bytes = compressed ? Buffer.allocUnsafeSlow(this.#chunks.length(chunk)) : input;
    if (compressed && !decodeSnappy(input, bytes))
      throw unreadable(this.#source.path, `its data at byte ${offset} cannot be decompressed`);
    if (this.#decoded.size >= chunksKept)
      for (const oldest of this.#decoded.keys()) {
        this.#decoded.delete(oldest);
        break;
      }
    this.#decoded.set(chunk, bytes);
    return bytes;
  }
}

/** Where the chunks are: by ascending address once the file is read. */
class ChunkTable {
  /** Address, offset of the data in the file, and the two lengths with the kind packed into one number. */
  #rows = new Float64Array(3 * 1024);
  count = 0;

  add(address: number, length: number, offset: number, stored: number, compressed: boolean): void {
    if (this.#rows.length === this.count * 3) {
      const larger = new Float64Array(this.#rows.length * 2);
      larger.set(this.#rows);
      this.#rows = larger;
    }
    this.#rows.set([address, offset, (stored * 2 ** 17 + length) * 2 + Number(compressed)], this.count++ * 3);
  }

  sort(): void {
    const order = new Uint32Array(this.count).map((_, index) => index);
    order.sort((a, b) => this.address(a) - this.address(b));
    const sorted = new Float64Array(this.count * 3);
    order.forEach((row, index) => sorted.set(this.#rows.subarray(row * 3, row * 3 + 3), index * 3));
    this.#rows = sorted;
  }

  address(chunk: number): number {
    return this.#rows[chunk * 3] as number;
  }

  length(chunk: number): number {
    return Math.floor(this.#packed(chunk) / 2) % 2 ** 17;
  }

  place(chunk: number): { readonly offset: number; readonly stored: number; readonly compressed: boolean } {
    const packed = this.#packed(chunk);
    return {
      offset: this.#rows[chunk * 3 + 1] as number,
      stored: Math.floor(packed / 2 ** 18),
      compressed: packed % 2 === 1,
    };
  }

  /** The chunk that holds an address, or -1. */
  find(address: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.address(middle) <= address) low = middle + 1;
      else high = middle;
    }
    const chunk = low - 1;
    return chunk >= 0 && address < this.address(chunk) + this.length(chunk) ? chunk : -1;
  }

  #packed(chunk: number): number {
    return this.#rows[chunk * 3 + 2] as number;
  }
}

function readChunks(source: ByteSource): ChunkTable {
  const table = new ChunkTable();
  let ranges = 0;
  for (let at = 0; at < source.size;) {
    const range = readRangeHeader(source, at);
    if (range.magic !== avmlMagic || range.version !== 2)
      throw unreadable(source.path, `there is no range of AVML's version 2 at byte ${at}`);
    if (++ranges > maxPieces) throw unreadable(source.path, `it has more than ${maxPieces} ranges`);
    if (range.start % pageSize !== 0 || range.end % pageSize !== 0)
      throw unreadable(source.path, `its range at byte ${at} is not of whole pages`);
    const begin = at + headerSize;
    at = readRange(source, begin, range.start, range.end, table);
    if (Number(source.read(at, trailerSize).readBigUInt64LE()) !== at - begin)
      throw unreadable(
        source.path,
        `its range at byte ${begin - headerSize} has another length than it says`,
      );
    at += trailerSize;
  }
  table.sort();
  return table;
}

/** Adds the chunks of one range; returns where its stream ends. */
function readRange(source: ByteSource, begin: number, start: number, end: number, table: ChunkTable): number {
  const head = Buffer.alloc(chunkHeader + checksumSize + 5);
  let at = begin;
  for (let address = start; address < end;) {
    const available = Math.min(head.length, source.size - at);
    if (available < chunkHeader) throw truncated(source.path, at + chunkHeader, source.size);
    const bytes = head.subarray(0, available);
    source.readInto(at, bytes);
    const type = bytes.readUInt8(0);
    const size = bytes.readUIntLE(1, 3);
    const next = at + chunkHeader + size;
    if (next > source.size) throw truncated(source.path, next, source.size);
    if (type === chunkType.compressed || type === chunkType.plain) {
      const stored = size - checksumSize;
      const compressed = type === chunkType.compressed;
      const length = compressed
        ? (snappyLength(bytes.subarray(chunkHeader + checksumSize))?.length ?? 0)
        : stored;
      if (length <= 0 || length > maxChunk || stored > maxStored || address + length > end)
        throw unreadable(source.path, `its chunk at byte ${at} has an impossible length`);
      if (table.count === maxChunks) throw unreadable(source.path, `it has more than ${maxChunks} chunks`);
      table.add(address, length, at + chunkHeader + checksumSize, stored, compressed);
      address += length;
    } else if (type < chunkType.firstSkippable) {
      throw unreadable(source.path, `it has an unknown chunk 0x${type.toString(16)} at byte ${at}`);
    }
    at = next;
  }
  return at;
}
