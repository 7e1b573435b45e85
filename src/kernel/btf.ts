import { damagedBtf as damaged, indexTypes } from './btf-index.js';

/** Type kinds of BTF, `include/uapi/linux/btf.h`. */
export const BtfKind = {
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  FWD: 7,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  FUNC: 12,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  FLOAT: 16,
  DECL_TAG: 17,
  TYPE_TAG: 18,
  ENUM64: 19,
} as const;

const magic = 0xeb9f;
const minHeader = 24;
const maxBytes = 64 * 1024 * 1024;
const maxDepth = 32;
const maxFind = 4096;
/** Members looked at to find one: more than any struct has, with all that it embeds without a name. */
const maxMembers = 200_000;

/** Where a member is: offsets in bytes from the start of the outermost struct; bits only for bit-fields. */
export interface BtfMember {
  readonly offset: number;
  /** Bytes; of the storage that covers it, for a bit-field. */
  readonly size: number;
  readonly bits?: { readonly offset: number; readonly size: number };
  /** Type id as declared, before modifiers are resolved. */
  readonly type: number;
}

/**
 * One BTF blob, indexed but not unfolded: a table of where each type is, and the names of structs, unions and
 * enums when the first is asked for.
 */
export class Btf {
  readonly #words: Uint32Array;
  readonly #strings: Buffer;
  /** Word index of each type; type 0 is void. */
  readonly #types: Uint32Array;
  readonly #typeCount: number;
  readonly #ordered = new Set<number>();
  #aggregates: Map<string, number[]> | undefined;

  /** @throws OuaError `GUEST_INCONSISTENT` when the blob is not well-formed. */
  constructor(blob: Buffer) {
    if (blob.length < minHeader || blob.readUInt16LE(0) !== magic)
      throw damaged('it does not start as BTF does');
    if (blob.length > maxBytes) throw damaged(`it is ${blob.length} bytes long`);
    const headerLength = blob.readUInt32LE(4);
    const [typeOffset, typeLength, stringOffset, stringLength] = [8, 12, 16, 20].map((at) =>
      blob.readUInt32LE(at),
    ) as [number, number, number, number];
    if (headerLength + typeOffset + typeLength > blob.length) throw damaged('its types reach beyond its end');
    if (headerLength + stringOffset + stringLength > blob.length)
      throw damaged('its strings reach beyond its end');
    if (typeLength % 4 !== 0) throw damaged('its types are not whole words');
    this.#strings = blob.subarray(headerLength + stringOffset, headerLength + stringOffset + stringLength);
    if (this.#strings.at(-1) !== 0) throw damaged('its strings do not end');
    const aligned = new Uint8Array(typeLength);
    aligned.set(blob.subarray(headerLength + typeOffset, headerLength + typeOffset + typeLength));
    this.#words = new Uint32Array(aligned.buffer);
    [this.#types, this.#typeCount] = indexTypes(this.#words);
  }

  /** Number of types, void included: ids are below it. */
  get typeCount(): number {
    return this.#typeCount;
  }

  kind(id: number): number {
    return id === 0 ? 0 : (this.#word(id, 1) >>> 24) & 0x1f;
  }

  name(id: number): string {
    return id === 0 ? 'void' : this.#string(this.#word(id, 0));
  }

  /** Ids of the structs, unions and enums of this name; more than one when translation units disagree. */
  aggregates(name: string): readonly number[] {
    this.#aggregates ??= this.#indexAggregates();
    return this.#aggregates.get(name) ?? [];
  }

  /** Ids of the structs without a name that have members of all these names. */
  anonymousStructs(memberNames: readonly string[]): readonly number[] {
    const wanted = memberNames.map((name) => this.#nameOffset(name));
    if (wanted.includes(-1)) return [];
    const found: number[] = [];
    for (let id = 1; id < this.#typeCount && found.length < maxFind; id++) {
      if (this.kind(id) !== BtfKind.STRUCT || this.#word(id, 0) !== 0) continue;
      const names = new Set<number>();
      for (let index = 0; index < this.#vlen(id); index++) names.add(this.#word(id, 3 + index * 3));
      if (wanted.every((name) => names.has(name))) found.push(id);
    }
    return found;
  }

  /** The values of enumerators, whatever enum they are in; of one that there is twice the first. */
  enumerators(names: readonly string[]): Map<string, bigint> {
    const wanted = names.map((name) => ({ name, text: Buffer.from(`${name}\0`, 'latin1') }));
    // There are tens of thousands: nearly all of them are told by their first bytes.
    const starts = new Set(wanted.map(({ text }) => startOf(text, 0)));
    const found = new Map<string, bigint>();
    for (let id = 1; id < this.#typeCount; id++) {
      const kind = this.kind(id);
      if (kind !== BtfKind.ENUM && kind !== BtfKind.ENUM64) continue;
      const width = kind === BtfKind.ENUM ? 2 : 3;
      for (let at = 3; at < 3 + this.#vlen(id) * width; at += width) {
        const offset = this.#word(id, at);
        if (!starts.has(startOf(this.#strings, offset))) continue;
        const name = wanted.find(({ text }) => this.#isText(offset, text))?.name;
        if (name === undefined || found.has(name)) continue;
        const high = kind === BtfKind.ENUM ? 0 : this.#word(id, at + 2);
        found.set(name, (BigInt(high) << 32n) | BigInt(this.#word(id, at + 1)));
      }
    }
    return found;
  }

  /** Bytes that a value of the type takes. */
  sizeOf(id: number): number {
    let factor = 1;
    for (let depth = 0, at = id; depth < maxDepth; depth++) {
      switch (this.kind(at)) {
        case BtfKind.PTR:
          return factor * 8;
        case BtfKind.ARRAY:
          factor *= this.#word(at, 5);
          at = this.#word(at, 3);
          break;
        case BtfKind.TYPEDEF:
        case BtfKind.VOLATILE:
        case BtfKind.CONST:
        case BtfKind.RESTRICT:
        case BtfKind.TYPE_TAG:
          at = this.#word(at, 2);
          break;
        case BtfKind.INT:
        case BtfKind.STRUCT:
        case BtfKind.UNION:
        case BtfKind.ENUM:
        case BtfKind.ENUM64:
        case BtfKind.FLOAT:
        case BtfKind.DATASEC:
          return factor * this.#word(at, 2);
        default:
          return 0;
      }
    }
    throw damaged(`type ${id} refers to itself`);
  }

  /** The type behind typedefs and qualifiers. */
  resolve(id: number): number {
    for (let depth = 0, at = id; depth < maxDepth; depth++) {
      const kind = this.kind(at);
      const modifier = (kind >= BtfKind.TYPEDEF && kind <= BtfKind.RESTRICT) || kind === BtfKind.TYPE_TAG;
      if (!modifier) return at;
      at = this.#word(at, 2);
    }
    throw damaged(`type ${id} refers to itself`);
  }

  /**
   * A member by its path, e.g. `thread_info.cpu`. Members of anonymous structs and unions count as the outer
   * one's own, as in C. Undefined when there is none.
   */
  member(struct: number, path: string): BtfMember | undefined {
    let type = struct;
    let base = 0;
    let found: BtfMember | undefined;
    const budget = { members: maxMembers };
    for (const name of path.split('.')) {
      const member = this.#findMember(type, Buffer.from(`${name}\0`, 'latin1'), base, budget, 0);
      if (!member) return undefined;
      found = member;
      base = member.offset;
      type = member.type;
    }
    return found;
  }

  #findMember(
    struct: number,
    /** With its NUL. */
    name: Buffer,
    base: number,
    budget: { members: number },
    depth: number,
  ): BtfMember | undefined {
    const id = this.resolve(struct);
    const kind = this.kind(id);
    if ((kind !== BtfKind.STRUCT && kind !== BtfKind.UNION) || depth > maxDepth) return undefined;
    this.#checkOrder(id);
    const info = this.#word(id, 1);
    for (let index = 0; index < (info & 0xffff); index++) {
      if (--budget.members < 0) throw damaged(`type ${struct} embeds itself`);
      const memberName = this.#word(id, 3 + index * 3);
      const wanted = memberName !== 0 && this.#isText(memberName, name);
      if (!wanted && memberName !== 0) continue;
      const type = this.#word(id, 4 + index * 3);
      const { bitOffset, bitSize } = this.#place(id, index);
      if (wanted) return this.#describe(type, base, bitOffset, bitSize);
      const inner = this.#findMember(type, name, base + (bitOffset >>> 3), budget, depth + 1);
      if (inner) return inner;
    }
    return undefined;
  }

  /** Where a struct's member is. kind_flag: the upper 8 bits are a bit-field's size, the rest its offset in bits. */
  #place(id: number, index: number): { readonly bitOffset: number; readonly bitSize: number } {
    const raw = this.#word(id, 5 + index * 3);
    return this.#word(id, 1) >>> 31
      ? { bitOffset: raw & 0xffffff, bitSize: raw >>> 24 }
      : { bitOffset: raw, bitSize: 0 };
  }

  /** A compiler lays members out one behind the other and within their struct: damage seldom leaves them so. */
  #checkOrder(id: number): void {
    if (this.#ordered.has(id)) return;
    this.#ordered.add(id);
    const inUnion = this.kind(id) === BtfKind.UNION;
    let end = 0;
    for (let index = 0; index < this.#vlen(id); index++) {
      const { bitOffset, bitSize } = this.#place(id, index);
      if (!inUnion && bitOffset < end) throw damaged(`the members of type ${id} overlap`);
      end = Math.max(end, bitOffset + (bitSize || this.sizeOf(this.#word(id, 4 + index * 3)) * 8));
    }
    if (end > this.#word(id, 2) * 8) throw damaged(`type ${id} ends before its members do`);
  }

  #describe(type: number, base: number, bitOffset: number, bitSize: number): BtfMember {
    const size = this.sizeOf(type);
    if (bitSize === 0) return { offset: base + (bitOffset >>> 3), size, type };
    const unit = size * 8 || 8;
    const offset = Math.floor(bitOffset / unit) * size;
    return {
      offset: base + offset,
      size,
      type,
      bits: { offset: bitOffset - offset * 8, size: bitSize },
    };
  }

  #indexAggregates(): Map<string, number[]> {
    const index = new Map<string, number[]>();
    for (let id = 1; id < this.#typeCount; id++) {
      const kind = this.kind(id);
      if (
        kind !== BtfKind.STRUCT &&
        kind !== BtfKind.UNION &&
        kind !== BtfKind.ENUM &&
        kind !== BtfKind.ENUM64
      )
        continue;
      const nameOffset = this.#word(id, 0);
      if (nameOffset === 0) continue;
      const name = this.#string(nameOffset);
      const ids = index.get(name);
      if (ids) ids.push(id);
      else index.set(name, [id]);
    }
    return index;
  }

  /** Whether the string at an offset is `text`, which ends in a NUL. */
  #isText(offset: number, text: Buffer): boolean {
    const strings = this.#strings;
    for (let index = 0; index < text.length; index++)
      if (strings[offset + index] !== text[index]) return false;
    return true;
  }

  /** BTF strings are stored once each, so that a name is one offset. */
  #nameOffset(name: string): number {
    const at = this.#strings.indexOf(`\0${name}\0`, 0, 'latin1');
    return at < 0 ? -1 : at + 1;
  }

  #string(offset: number): string {
    if (offset >= this.#strings.length) throw damaged(`a name is at ${offset}, beyond its strings`);
    return this.#strings.toString('latin1', offset, this.#strings.indexOf(0, offset));
  }

  #vlen(id: number): number {
    return this.#word(id, 1) & 0xffff;
  }

  #word(id: number, index: number): number {
    const at = this.#types[id];
    const word = id < this.#typeCount && at !== undefined ? this.#words[at + index] : undefined;
    if (word === undefined) throw damaged(`there is no type ${id}`);
    return word;
  }
}

/** The first two bytes of a text, its NUL among them, as a number. */
function startOf(bytes: Buffer, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
