import fc from 'fast-check';
import { OuaError } from '../../src/base/errors.js';
import { Btf, BtfKind } from '../../src/kernel/btf.js';
import { BtfWriter, type MemberSpec } from './btf-writer.js';

describe('Btf', () => {
  test('finds members through paths, anonymous structs and typedefs', () => {
    const writer = new BtfWriter();
    const int = writer.int('int', 4);
    const long = writer.int('long', 8);
    const inner = writer.struct('inner', 16, [
      { name: 'a', type: int, offset: 0 },
      { name: 'b', type: long, offset: 64 },
    ]);
    const union = writer.struct(
      '',
      8,
      [
        { name: 'x', type: long, offset: 0 },
        { name: 'y', type: int, offset: 0 },
      ],
      BtfKind.UNION,
    );
    const anonymous = writer.struct('', 24, [
      { name: 'z', type: int, offset: 0 },
      { name: '', type: union, offset: 64 },
    ]);
    const alias = writer.typedef('inner_t', inner);
    const names = writer.array(int, 5);
    const outer = writer.struct('outer', 96, [
      { name: 'first', type: writer.pointer(inner), offset: 0 },
      { name: 'embedded', type: alias, offset: 64 },
      { name: '', type: anonymous, offset: 192 },
      { name: 'names', type: names, offset: 448 },
    ]);
    const btf = new Btf(writer.build());
    expect(btf.aggregates('outer')).toEqual([outer]);
    expect(btf.sizeOf(outer)).toBe(96);
    expect(btf.member(outer, 'first')).toMatchObject({ offset: 0, size: 8 });
    expect(btf.member(outer, 'embedded.b')).toMatchObject({ offset: 16, size: 8 });
    expect(btf.member(outer, 'z')).toMatchObject({ offset: 24, size: 4 });
    expect(btf.member(outer, 'y')).toMatchObject({ offset: 32, size: 4 });
    expect(btf.member(outer, 'names')).toMatchObject({ offset: 56, size: 20 });
    expect(btf.member(outer, 'first.a')).toBeUndefined();
    expect(btf.member(outer, 'nothing')).toBeUndefined();
    expect(btf.anonymousStructs(['z'])).toEqual([anonymous]);
    expect(btf.anonymousStructs(['z', 'nothing'])).toEqual([]);
  });

  test('places bit-fields in the storage that they are declared with', () => {
    const writer = new BtfWriter();
    const unsigned = writer.int('unsigned int', 4);
    const struct = writer.struct('flags', 8, [
      { name: 'plain', type: unsigned, offset: 0, bitSize: 0 },
      { name: 'low', type: unsigned, offset: 32, bitSize: 1 },
      { name: 'high', type: unsigned, offset: 45, bitSize: 7 },
    ]);
    const btf = new Btf(writer.build());
    expect(btf.member(struct, 'plain')).toEqual({ offset: 0, size: 4, type: unsigned });
    expect(btf.member(struct, 'low')).toMatchObject({ offset: 4, bits: { offset: 0, size: 1 } });
    expect(btf.member(struct, 'high')).toMatchObject({ offset: 4, bits: { offset: 13, size: 7 } });
  });

  test('refuses structs whose members overlap or do not fit', () => {
    const writer = new BtfWriter();
    const int = writer.int('int', 4);
    const overlapping = writer.struct('overlapping', 16, [
      { name: 'a', type: int, offset: 0 },
      { name: 'b', type: int, offset: 16 },
    ]);
    const short = writer.struct('short', 6, [
      { name: 'a', type: int, offset: 0 },
      { name: 'b', type: int, offset: 32 },
    ]);
    const btf = new Btf(writer.build());
    for (const struct of [overlapping, short])
      expect(() => btf.member(struct, 'a')).toThrow(
        expect.objectContaining({ code: 'GUEST_INCONSISTENT' }) as Error,
      );
  });

  test('knows enumerators of any enum', () => {
    const writer = new BtfWriter();
    writer.enum('one', { A: 1, B: 2 });
    writer.enum('', { C: 30 });
    const btf = new Btf(writer.build());
    const values = btf.enumerators(['A', 'B', 'C', 'D']);
    expect(Object.fromEntries(values)).toEqual({ A: 1n, B: 2n, C: 30n });
  });

  test('reads back any struct', () => {
    const member = fc.record({
      name: fc.stringMatching(/^[a-z_]{1,12}$/),
      width: fc.constantFrom(1, 2, 4, 8),
    });
    fc.assert(
      fc.property(fc.uniqueArray(member, { selector: ({ name }) => name, maxLength: 40 }), (members) => {
        const writer = new BtfWriter();
        const ints = new Map([1, 2, 4, 8].map((width) => [width, writer.int(`u${width * 8}`, width)]));
        let offset = 0;
        const specs: MemberSpec[] = members.map(({ name, width }) => {
          offset = Math.ceil(offset / width) * width;
          const spec = { name, type: ints.get(width) ?? 0, offset: offset * 8 };
          offset += width;
          return spec;
        });
        const struct = writer.struct('some_struct', offset, specs);
        const btf = new Btf(writer.build());
        expect(btf.aggregates('some_struct')).toEqual([struct]);
        specs.forEach((spec, index) =>
          expect(btf.member(struct, spec.name)).toEqual({
            offset: spec.offset / 8,
            size: members[index]?.width,
            type: spec.type,
          }),
        );
      }),
    );
  });

  test('damage is refused or read, and ends', () => {
    const writer = new BtfWriter();
    const int = writer.int('int', 4);
    const inner = writer.struct('', 8, [{ name: 'deep', type: int, offset: 32 }]);
    writer.struct('outer', 16, [
      { name: 'a', type: int, offset: 0 },
      { name: '', type: inner, offset: 64 },
      { name: '', type: writer.array(inner, 3), offset: 64 },
    ]);
    writer.enum('e', { A: 1 });
    const blob = writer.build();
    fc.assert(
      fc.property(fc.nat(blob.length - 1), fc.nat(255), fc.nat(blob.length), (at, value, length) => {
        const damaged = Buffer.from(blob.subarray(0, length));
        if (at < length) damaged[at] = value;
        try {
          const btf = new Btf(damaged);
          for (const id of btf.aggregates('outer')) {
            btf.sizeOf(id);
            for (const name of ['a', 'deep', 'nothing', 'a.deep']) btf.member(id, name);
          }
          btf.enumerators(['A']);
          btf.anonymousStructs(['deep']);
        } catch (error) {
          expect(error).toBeInstanceOf(OuaError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('a struct that embeds itself twice is refused', () => {
    const writer = new BtfWriter();
    writer.struct('loop', 8, [
      { name: '', type: 1, offset: 0 },
      { name: '', type: 1, offset: 0 },
      { name: 'x', type: 1, offset: 0 },
    ]);
    const btf = new Btf(writer.build());
    expect(() => btf.member(1, 'loop')).toThrow(OuaError);
  });
});
