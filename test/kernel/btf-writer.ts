import { BtfKind } from '../../src/kernel/btf.js';

export interface MemberSpec {
  /** Empty for an anonymous one. */
  readonly name: string;
  readonly type: number;
  /** In bits. */
  readonly offset: number;
  readonly bitSize?: number;
}

/** Builds BTF as `include/uapi/linux/btf.h` describes it. Types get ids from 1 on, in order. */
export class BtfWriter {
  readonly #types: Buffer[] = [];
  readonly #offsets = new Map([['', 0]]);
  #strings = '\0';

  int(name: string, size: number): number {
    return this.#add(name, BtfKind.INT, 0, size, [size * 8]);
  }

  pointer(type: number): number {
    return this.#add('', BtfKind.PTR, 0, type, []);
  }

  array(type: number, count: number): number {
    return this.#add('', BtfKind.ARRAY, 0, 0, [type, 0, count]);
  }

  typedef(name: string, type: number): number {
    return this.#add(name, BtfKind.TYPEDEF, 0, type, []);
  }

  struct(name: string, size: number, members: readonly MemberSpec[], kind: number = BtfKind.STRUCT): number {
    const bitFields = members.some(({ bitSize }) => bitSize !== undefined);
    const words = members.flatMap(({ name: member, type, offset, bitSize }) => [
      this.#string(member),
      type,
      bitFields ? (((bitSize ?? 0) << 24) | offset) >>> 0 : offset,
    ]);
    return this.#add(name, kind, members.length, size, words, bitFields);
  }

  enum(name: string, values: Readonly<Record<string, number>>): number {
    const words = Object.entries(values).flatMap(([key, value]) => [this.#string(key), value]);
    return this.#add(name, BtfKind.ENUM, words.length / 2, 4, words);
  }

  build(): Buffer {
    const types = Buffer.concat(this.#types);
    const strings = Buffer.from(this.#strings, 'latin1');
    const header = Buffer.alloc(24);
    header.writeUInt16LE(0xeb9f, 0);
    header.writeUInt8(1, 2);
    header.writeUInt32LE(24, 4);
    header.writeUInt32LE(types.length, 12);
    header.writeUInt32LE(types.length, 16);
    header.writeUInt32LE(strings.length, 20);
    return Buffer.concat([header, types, strings]);
  }

  #add(name: string, kind: number, vlen: number, sizeOrType: number, words: number[], flag = false): number {
    const all = [
      this.#string(name),
      ((flag ? 1 << 31 : 0) | (kind << 24) | vlen) >>> 0,
      sizeOrType,
      ...words,
    ];
    const bytes = Buffer.alloc(all.length * 4);
    all.forEach((word, index) => bytes.writeUInt32LE(word >>> 0, index * 4));
    this.#types.push(bytes);
    return this.#types.length;
  }

  #string(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    const offset = this.#strings.length;
    this.#strings += `${text}\0`;
    this.#offsets.set(text, offset);
    return offset;
  }
}
