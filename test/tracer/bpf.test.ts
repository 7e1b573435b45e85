import fc from 'fast-check';
import { auditArch, generateFilter, opcode, packFilter, verdict, verdictOf } from '../../src/tracer/bpf.js';
import type { Instruction } from '../../src/tracer/bpf.js';
import { answers, rowsFor, syscalls, x32Bit, type Abi, type Feature } from '../../src/tracer/syscalls.js';

/** The part of a classic BPF machine that filters use, with the checks of the kernel's verifier. */
function interpret(program: readonly Instruction[], call: { nr: number; arch: number }): number {
  let accumulator = 0;
  for (let pc = 0, steps = 0; ; pc++, steps++) {
    const instruction = program[pc];
    if (!instruction || steps > program.length) throw new Error(`runs out of the program at ${pc}`);
    const { code, k, jt, jf } = instruction;
    if (code === opcode.load) accumulator = (k === 0 ? call.nr : call.arch) >>> 0;
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
];
const optional: readonly Feature[] = ['exec', 'uname', 'hiddenProc'];
const features = fc.subarray([...optional]).map((some) => new Set<Feature>(some));
const number = fc.oneof(
  fc.nat(600),
  fc.constantFrom(...syscalls.flatMap((row) => Object.values(row.numbers))),
);

test('each call of each ABI gets what the table says, and all else is allowed', () => {
  fc.assert(
    fc.property(features, fc.constantFrom(...abis), number, (wanted, { abi, arch, bit }, nr) => {
      const rows = rowsFor(wanted);
      const row = rows.find((candidate) => candidate.numbers[abi] === nr);
      const expected = row ? verdictOf(row) : verdict.allow;
      expect(interpret(generateFilter(rows), { nr: nr | bit, arch })).toBe(expected >>> 0);
    }),
    { numRuns: 3000 },
  );
});

test('every row is reached by its own number in every ABI that has it', () => {
  const program = generateFilter(syscalls);
  for (const row of syscalls)
    for (const { abi, arch, bit } of abis) {
      const nr = row.numbers[abi];
      if (nr !== undefined) expect(interpret(program, { nr: nr | bit, arch })).toBe(verdictOf(row) >>> 0);
    }
});

test('calls of an architecture that is not known are ENOSYS, whatever their number', () => {
  const known: readonly number[] = Object.values(auditArch);
  const unknown = fc.nat(0xffff_ffff).filter((arch) => !known.includes(arch));
  fc.assert(
    fc.property(unknown, number, (arch, nr) => {
      expect(interpret(generateFilter(syscalls), { nr, arch })).toBe(verdict.errno | 38);
    }),
  );
});

test('a skipped call, number -1, is left alone', () => {
  for (const arch of Object.values(auditArch))
    expect(interpret(generateFilter(syscalls), { nr: -1, arch })).toBe(verdict.allow);
});

test('a long table is jumped over: no jump is too wide for its field', () => {
  const [template] = syscalls;
  if (!template) throw new Error('the table is empty');
  const rows = Array.from({ length: 400 }, (_, nr) => ({
    ...template,
    numbers: { x86_64: nr, x32: nr, i386: nr },
  }));
  const program = generateFilter(rows);
  expect(Math.max(...program.map(({ jt, jf }) => Math.max(jt, jf)))).toBeLessThan(256);
  for (const { arch, bit } of abis)
    for (const nr of [0, 1, 254, 399, 400])
      expect(interpret(program, { nr: nr | bit, arch })).toBe(
        nr < 400 ? verdictOf(template) >>> 0 : verdict.allow,
      );
});

test('packed as struct sock_filter', () => {
  const packed = packFilter([{ code: 0x15, jt: 1, jf: 2, k: 0xc000_003e }]);
  expect([...packed]).toEqual([0x15, 0, 1, 2, 0x3e, 0, 0, 0xc0]);
});

describe('the table', () => {
  test('names no call twice and has a note and an answer that fits the stop in each row', () => {
    expect(new Set(syscalls.map(({ name }) => name)).size).toBe(syscalls.length);
    for (const row of syscalls) {
      expect(row.note).not.toBe('');
      expect(row.stop === 'never').toBe(row.answer.by === 'errno');
      expect(row.support === 'refused').toBe(row.answer.by === 'errno');
      if (row.answer.by !== 'errno') expect(answers).toHaveProperty(row.answer.as);
    }
  });

  test('has one meaning for each number of an ABI', () => {
    for (const { abi } of abis) {
      const used = syscalls.flatMap((row) => row.numbers[abi] ?? []);
      expect(new Set(used).size).toBe(used.length);
    }
  });
});
