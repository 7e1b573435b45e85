import fc from 'fast-check';
import { auditArch, generateFilter, opcode, packFilter, verdict, verdictOf } from '../../src/tracer/bpf.js';
import type { Instruction } from '../../src/tracer/bpf.js';
import { numberOf, syscallNames, x32Bit, type Abi } from '../../src/tracer/numbers.js';
import { answers, type Condition, type Feature, type SyscallRow } from '../../src/tracer/row.js';
import { packRows, rowsFor, syscalls } from '../../src/tracer/syscalls.js';

interface Call {
  readonly nr: number;
  readonly arch: number;
  /** Low words. */
  readonly args?: readonly number[];
}

/** `struct seccomp_data`, linux/seccomp.h. */
function seccompData({ nr, arch, args = [] }: Call): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.writeInt32LE(nr | 0, 0);
  bytes.writeUInt32LE(arch, 4);
  args.forEach((value, index) => bytes.writeUInt32LE(value >>> 0, 16 + index * 8));
  return bytes;
}

/** The part of a classic BPF machine that filters use, with the checks of the kernel's verifier. */
function interpret(program: readonly Instruction[], call: Call): number {
  const data = seccompData(call);
  let accumulator = 0;
  for (let pc = 0, steps = 0; ; pc++, steps++) {
    const instruction = program[pc];
    if (!instruction || steps > program.length) throw new Error(`runs out of the program at ${pc}`);
    const { code, k, jt, jf } = instruction;
    if (code === opcode.load) accumulator = data.readUInt32LE(k);
    else if (code === opcode.jump) pc += k;
    else if (code === opcode.jumpEqual) pc += accumulator === k >>> 0 ? jt : jf;
    else if (code === opcode.jumpSet) pc += accumulator & k ? jt : jf;
    else if (code === opcode.return) return k >>> 0;
    else throw new Error(`no such instruction: ${code}`);
  }
}

const abis: readonly { abi: Abi; arch: number; bit: number }[] = [
  { abi: 'x86_64', arch: auditArch.x86_64, bit: 0 },
  { abi: 'x32', arch: auditArch.x86_64, bit: x32Bit },
  { abi: 'i386', arch: auditArch.i386, bit: 0 },
  { abi: 'aarch64', arch: auditArch.aarch64, bit: 0 },
];
const machines = { x86_64: 'x64', x32: 'x64', i386: 'x64', aarch64: 'arm64' } as const;
const optional = [...new Set(syscalls.map(({ feature }) => feature))].filter((name) => name !== 'always');
const features = fc.subarray(optional).map((some) => new Set<Feature>(some));
const numbersOf = (row: SyscallRow) => abis.flatMap(({ abi }) => numberOf(row.name, abi) ?? []);
const number = fc.oneof(fc.nat(600), fc.constantFrom(...syscalls.flatMap(numbersOf)));
const word = fc.oneof(fc.nat(3), fc.nat(0xffff_ffff), fc.constantFrom(0xffff_ffff, 0o1101, 0o100, 0x8000));
const words = fc.array(word, { minLength: 6, maxLength: 6 });

const holds =
  (args: readonly number[]) =>
  ({ argument, is, value }: Condition): boolean => {
    const given = args[argument] ?? 0;
    if (is === 'anyBitOf') return (given & value) !== 0;
    return (given >>> 0 === value >>> 0) === (is === 'equal');
  };

/** What the table says of a call: the meaning that the filter has to have. */
function expected(rows: readonly SyscallRow[], abi: Abi, nr: number, args: readonly number[]): number {
  const index = rows.findIndex(
    (row) => numberOf(row.name, abi) === nr && row.when.every((condition) => holds(args)(condition)),
  );
  const row = rows[index];
  return (row ? verdictOf(row, index) : verdict.allow) >>> 0;
}

test('each call of each ABI gets what the table says, and all else is allowed', () => {
  fc.assert(
    fc.property(features, fc.constantFrom(...abis), number, words, (wanted, { abi, arch, bit }, nr, args) => {
      const rows = rowsFor(wanted);
      const filter = generateFilter(rows, machines[abi]);
      expect(interpret(filter, { nr: nr | bit, arch, args })).toBe(expected(rows, abi, nr, args));
    }),
    { numRuns: 3000 },
  );
});

test('conditions and alternatives of one call mean what they say', () => {
  const condition = fc.record({
    argument: fc.nat(5),
    is: fc.constantFrom('equal' as const, 'notEqual' as const, 'anyBitOf' as const),
    value: word,
  });
  const row: fc.Arbitrary<SyscallRow> = fc
    .record({
      name: fc.constantFrom(...syscallNames.slice(0, 6)),
      when: fc.array(condition, { maxLength: 4 }),
    })
    .map(({ name, when }) => ({ ...syscalls[0]!, name, when }));
  fc.assert(
    fc.property(
      fc.array(row, { maxLength: 30 }),
      fc.constantFrom(...abis),
      words,
      (rows, { abi, arch, bit }, args) => {
        const filter = generateFilter(rows, machines[abi]);
        for (const { name } of rows) {
          const nr = numberOf(name, abi);
          if (nr !== undefined)
            expect(interpret(filter, { nr: nr | bit, arch, args })).toBe(expected(rows, abi, nr, args));
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test.each(['x64', 'arm64'] as const)('on %s, calls of another architecture are ENOSYS', (machine) => {
  const known = abis.filter(({ abi }) => machines[abi] === machine).map(({ arch }) => arch);
  const unknown = fc.oneof(fc.constantFrom(...Object.values(auditArch)), fc.nat(0xffff_ffff));
  const filter = generateFilter(syscalls, machine);
  fc.assert(
    fc.property(unknown, number, (arch, nr) => {
      fc.pre(!known.includes(arch));
      expect(interpret(filter, { nr, arch })).toBe(verdict.errno | 38);
    }),
  );
});

test('a skipped call, number -1, is left alone', () => {
  for (const { abi, arch } of abis)
    expect(interpret(generateFilter(syscalls, machines[abi]), { nr: -1, arch })).toBe(verdict.allow);
});

test('the whole table fits: into the verdicts and into what a filter may be long', () => {
  expect(generateFilter(syscalls).length).toBeLessThan(4096);
  expect(packRows(syscalls).length % syscalls.length).toBe(0);
  expect(() => verdictOf(syscalls[0]!, 1 << 16)).toThrow(RangeError);
});

test('packed as struct sock_filter', () => {
  const packed = packFilter([{ code: 0x15, jt: 1, jf: 2, k: 0xc000_003e }]);
  expect([...packed]).toEqual([0x15, 0, 1, 2, 0x3e, 0, 0, 0xc0]);
});

describe('the table', () => {
  test('has a note and an answer that fits the stop in each row', () => {
    for (const row of syscalls) {
      expect(row.note).not.toBe('');
      expect(row.stop === 'never').toBe(row.answer.by === 'errno');
      expect(row.support === 'refused').toBe(row.answer.by === 'errno');
      if (row.answer.by !== 'errno') expect(answers).toHaveProperty(row.answer.as);
    }
  });

  test('has no row that an earlier one of the same call and feature hides', () => {
    syscalls.forEach((row, index) => {
      const earlier = syscalls
        .slice(0, index)
        .filter(
          ({ name, feature, when }) => name === row.name && feature === row.feature && when.length === 0,
        );
      expect(earlier).toEqual([]);
    });
  });

  test('has one call for each number of an ABI', () => {
    for (const { abi } of abis) {
      const names = new Map<number, string>();
      for (const name of syscallNames) {
        const nr = numberOf(name, abi);
        if (nr === undefined) continue;
        expect(names.get(nr) ?? name).toBe(name);
        names.set(nr, name);
      }
    }
  });
});
