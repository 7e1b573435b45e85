import { OuaError } from '../base/errors.js';
import type { Btf } from './btf.js';
import { BtfKind, type BtfMember } from './btf.js';
import type { FieldSpec } from './field-spec.js';
import { enumerators } from './enumerators.js';
import { anonymousFields, structFields } from './fields.js';

/** A member: bytes from the struct's start, bytes long, and for a bit-field its bits within those bytes. */
export type Member =
  | readonly [offset: number, size: number]
  | readonly [offset: number, size: number, bitOffset: number, bitSize: number];

export interface StructLayout {
  /** Bytes, 0 for a struct that the kernel does not have. */
  readonly size: number;
  readonly members: Readonly<Record<string, Member>>;
}

type AnonymousFields = { [S in keyof typeof anonymousFields]: (typeof anonymousFields)[S]['fields'] };
type AllFields = typeof structFields & AnonymousFields;

/** Names of the structs that are read, and of their members, for the compiler to check. */
export type StructName = keyof AllFields;
export type FieldName<S extends StructName> = keyof AllFields[S] & string;

/** What of a kernel's types we use: the part of a profile that the type information gives. */
export interface Layout {
  readonly structs: Readonly<Record<string, StructLayout>>;
  readonly enums: Readonly<Record<string, number>>;
}

/** No struct that is read here comes near it; a larger offset is damage. */
export const maxStructSize = 256 * 1024;

/** Picks what we need out of a kernel's type information. */
export function resolveLayout(btf: Btf): Layout {
  const structs: Record<string, StructLayout> = {};
  for (const [name, fields] of Object.entries(structFields))
    structs[name] = resolveStruct(btf, btf.aggregates(name), fields);
  for (const [name, { names, members, fields }] of Object.entries(anonymousFields)) {
    const named = names.flatMap((candidate) => btf.aggregates(candidate));
    structs[name] = resolveStruct(btf, named.length ? named : btf.anonymousStructs(members), fields);
  }
  const values = btf.enumerators(enumerators);
  const enums: Record<string, number> = {};
  for (const name of enumerators) {
    const value = values.get(name);
    if (value !== undefined) enums[name] = Number(value);
  }
  return { structs, enums };
}

/** What a layout lacks of what every kernel should have: `struct.member` names. */
export function missingFields(layout: Layout): string[] {
  const missing: string[] = [];
  const tables: [string, Readonly<Record<string, FieldSpec>>][] = [
    ...Object.entries(structFields),
    ...Object.entries(anonymousFields).map(([name, row]): [string, Record<string, FieldSpec>] => [
      name,
      row.fields,
    ]),
  ];
  for (const [name, fields] of tables)
    for (const [field, spec] of Object.entries(fields))
      if (!spec.optional && !layout.structs[name]?.members[field]) missing.push(`${name}.${field}`);
  return missing;
}

/** Of several structs of one name the one with the most of the wanted members. */
function resolveStruct(
  btf: Btf,
  ids: readonly number[],
  fields: Readonly<Record<string, FieldSpec>>,
): StructLayout {
  let best: StructLayout = { size: 0, members: {} };
  for (const id of ids) {
    if (btf.kind(id) !== BtfKind.STRUCT && btf.kind(id) !== BtfKind.UNION) continue;
    const members: Record<string, Member> = {};
    for (const [field, spec] of Object.entries(fields)) {
      const member = firstPlace(btf, id, spec);
      if (member) members[field] = asTuple(member);
    }
    const candidate = { size: btf.sizeOf(id), members };
    if (best.size === 0 || Object.keys(members).length > Object.keys(best.members).length) best = candidate;
  }
  if (best.size > maxStructSize)
    throw new OuaError(
      'GUEST_INCONSISTENT',
      `the kernel's type information gives a struct ${best.size} bytes`,
      'save the memory again: the image is damaged',
    );
  return best;
}

function firstPlace(btf: Btf, id: number, spec: FieldSpec): BtfMember | undefined {
  for (const place of spec.places) {
    const member = btf.member(id, place.path);
    if (member && (place.size === undefined || member.size === place.size)) return member;
  }
  return undefined;
}

function asTuple({ offset, size, bits }: BtfMember): Member {
  return bits ? [offset, size, bits.offset, bits.size] : [offset, size];
}
