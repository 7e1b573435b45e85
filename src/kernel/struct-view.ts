import { OuaError } from '../base/errors.js';
import { maxStructSize, type FieldName, type Member, type StructLayout, type StructName } from './layout.js';
import { readWord, readWordNumber } from './words.js';

/**
 * One struct of the guest's kernel: its bytes are read once, its members are taken out of them when asked for.
 * Getters throw OuaError `KERNEL_UNSUPPORTED` for a member that this kernel does not have, and those of numbers for one
 * of a size that no number has.
 */
export class StructView<S extends StructName> {
  constructor(
    readonly name: S,
    readonly address: bigint,
    readonly layout: ReadLayout,
    /** The bytes from `layout.start` on. */
    readonly bytes: Buffer,
  ) {}

  has(field: FieldName<S>): boolean {
    return this.layout.members[field] !== undefined;
  }

  /** Signed value of a member of 1, 2, 4 or 8 bytes that is a safe integer. */
  int(field: FieldName<S>): number {
    const member = this.#number(field);
    if (member.length === 4 || member[1] === 8) return Number(BigInt.asIntN(64, this.u64(field)));
    const at = member[0] - this.layout.start;
    return member[1] < 4 ? this.bytes.readIntLE(at, member[1]) : this.bytes.readInt32LE(at);
  }

  /** Unsigned value of a member of 1, 2, 4 or 8 bytes; of a bit-field, its bits. */
  uint(field: FieldName<S>): number {
    const member = this.#number(field);
    if (member.length === 4) return Number(this.u64(field));
    const at = member[0] - this.layout.start;
    if (member[1] === 8) return readWordNumber(this.bytes, at);
    return member[1] < 4 ? this.bytes.readUIntLE(at, member[1]) : this.bytes.readUInt32LE(at);
  }

  /** Unsigned value of up to 8 bytes. */
  u64(field: FieldName<S>): bigint {
    const member = this.#number(field);
    const at = member[0] - this.layout.start;
    const raw = member[1] >= 8 ? readWord(this.bytes, at) : BigInt(this.bytes.readUIntLE(at, member[1]));
    if (member.length === 2) return raw;
    return (raw >> BigInt(member[2])) & ((1n << BigInt(member[3])) - 1n);
  }

  /** The value of a pointer. */
  pointer(field: FieldName<S>): bigint {
    return this.u64(field);
  }

  /** The text of a char array, up to its NUL. */
  text(field: FieldName<S>): string {
    const bytes = this.raw(field);
    const end = bytes.indexOf(0);
    return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
  }

  /** The member's bytes: a window, not a copy. */
  raw(field: FieldName<S>): Buffer {
    const [offset, size] = this.#member(field);
    const at = offset - this.layout.start;
    return this.bytes.subarray(at, at + size);
  }

  /** The guest-virtual address of a member, for what is embedded in this struct. */
  at(field: FieldName<S>): bigint {
    return this.address + BigInt(this.#member(field)[0]);
  }

  /** A member that is a number, or begins with a word of one. Damaged type information has members of any size. */
  #number(field: FieldName<S>): Member {
    const member = this.#member(field);
    const size = member[1];
    if (size < 8 && size !== 4 && size !== 2 && size !== 1) notNumber(this.name, field, size);
    return member;
  }

  #member(field: FieldName<S>): Member {
    return this.layout.members[field] ?? missing(this.name, field);
  }
}

const missingHint =
  'build an old profile again: ouassister profile build; `ouassister profile check` lists all that is missing';

/** A struct's layout with the window of bytes that holds every member we know. */
export interface ReadLayout extends StructLayout {
  readonly start: number;
  readonly end: number;
}

export function readLayout(name: string, layout: StructLayout | undefined): ReadLayout {
  if (!layout || layout.size === 0)
    throw new OuaError(
      'KERNEL_UNSUPPORTED',
      `this kernel has no struct ${name} that its type information describes`,
      missingHint,
    );
  const members = Object.values(layout.members);
  const start = Math.min(...members.map(([offset]) => offset));
  const end = Math.max(...members.map(([offset, size]) => offset + size));
  if (end > maxStructSize || members.length === 0) missing(name, 'known members');
  return { ...layout, start, end };
}

function missing(struct: string, field: string): never {
  throw new OuaError(
    'KERNEL_UNSUPPORTED',
    `this kernel's struct ${struct} has no ${field} that we know of`,
    missingHint,
  );
}

function notNumber(struct: string, field: string, size: number): never {
  throw new OuaError(
    'KERNEL_UNSUPPORTED',
    `this kernel's struct ${struct} has a ${field} of ${size} bytes, which is no number`,
    'its type information may be damaged; save the memory again',
  );
}
