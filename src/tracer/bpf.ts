import { constants } from 'node:os';
import { numberOf, x32Bit, type Abi } from './numbers.js';
import type { Condition, SyscallRow } from './row.js';

/** Offsets in `struct seccomp_data`, linux/seccomp.h; `args` are 64-bit words in the machine's order. */
const data = { nr: 0, arch: 4, args: 16 } as const;

/** `AUDIT_ARCH_*`, linux/audit.h. x32 shares x86-64's and is told apart by a bit of the number. */
export const auditArch = { x86_64: 0xc000_003e, i386: 0x4000_0003, aarch64: 0xc000_00b7 } as const;

/** Classic BPF, linux/bpf_common.h: class | size or operation | source. */
export const opcode = {
  /** Load the 32-bit word at k. */
  load: 0x20,
  /** Jump by k. */
  jump: 0x05,
  /** Jump by jt when equal to k, else by jf. */
  jumpEqual: 0x15,
  /** Jump by jt when a bit of k is set, else by jf. */
  jumpSet: 0x45,
  return: 0x06,
} as const;

/** `SECCOMP_RET_*`; the low 16 bits are the answer or the errno. */
export const verdict = { allow: 0x7fff_0000, trace: 0x7ff0_0000, errno: 0x0005_0000 } as const;

/** One `struct sock_filter`, linux/filter.h. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

const instruction = (code: number, k: number, jt = 0, jf = 0): Instruction => ({ code, jt, jf, k });

/** Bits of `SECCOMP_RET_DATA`. */
const dataBits = 16;

/** The 32-bit value that the filter returns for a row, which is number `index` of the rows of the run. */
export function verdictOf(row: SyscallRow, index: number): number {
  if (row.answer.by === 'errno') return verdict.errno | row.answer.errno;
  if (index >= 1 << dataBits) throw new RangeError(`row ${index} does not fit into a filter's verdict`);
  return verdict.trace | index;
}

/**
 * The seccomp filter for some rows of the table: each of their calls gets the verdict of the first row whose
 * conditions hold, every other call is allowed, and every call of an architecture that `machine` does not run
 * with is ENOSYS.
 *
 * The kernel keeps a bitmap of the calls that a filter always allows, so the length of the list costs others
 * nothing.
 *
 * @param machine as Node's `process.arch` names it
 */
export function generateFilter(
  rows: readonly SyscallRow[],
  machine: 'x64' | 'arm64' = 'x64',
): readonly Instruction[] {
  const number = instruction(opcode.load, data.nr);
  const unknown = [instruction(opcode.return, verdict.errno | constants.errno.ENOSYS)];
  const section = (abi: Abi) => [number, ...calls(rows, abi)];
  const known =
    machine === 'arm64'
      ? ifEqual(auditArch.aarch64, section('aarch64'), unknown)
      : ifEqual(
          auditArch.x86_64,
          [number, ...ifElse(instruction(opcode.jumpSet, x32Bit), calls(rows, 'x32'), calls(rows, 'x86_64'))],
          ifEqual(auditArch.i386, section('i386'), unknown),
        );
  return [instruction(opcode.load, data.arch), ...known];
}

const ifEqual = (value: number, then: readonly Instruction[], otherwise: readonly Instruction[]) =>
  ifElse(instruction(opcode.jumpEqual, value), then, otherwise);

/** Conditional jumps reach 255 instructions; an unconditional one reaches any. Jumps count instructions that are skipped. */
function ifElse(
  test: Instruction,
  then: readonly Instruction[],
  otherwise: readonly Instruction[],
): Instruction[] {
  return [
    { ...test, jt: 0, jf: 1 },
    instruction(opcode.jump, 1),
    instruction(opcode.jump, then.length),
    ...then,
    ...otherwise,
  ];
}

/** From the number in the accumulator to a verdict, on every way. */
function calls(rows: readonly SyscallRow[], abi: Abi): Instruction[] {
  const bit = abi === 'x32' ? x32Bit : 0;
  const byNumber = new Map<number, Instruction[]>();
  rows.forEach((row, index) => {
    const nr = numberOf(row.name, abi);
    if (nr === undefined) return;
    const alternatives = byNumber.get(nr) ?? [];
    byNumber.set(nr, [...alternatives, ...alternative(row.when, verdictOf(row, index))]);
  });
  const allow = instruction(opcode.return, verdict.allow);
  return [
    ...[...byNumber].flatMap(([nr, alternatives]) => {
      const then = [...alternatives, allow];
      return [instruction(opcode.jumpEqual, nr | bit, 0, then.length), ...then];
    }),
    allow,
  ];
}

/** The verdict when all conditions hold; else what stands behind it is reached. */
function alternative(conditions: readonly Condition[], result: number): Instruction[] {
  return conditions.reduceRight<Instruction[]>(
    (inner, { argument, is, value }) => {
      const load = instruction(opcode.load, data.args + argument * 8);
      const past = inner.length;
      switch (is) {
        case 'equal':
          return [load, instruction(opcode.jumpEqual, value, 0, past), ...inner];
        case 'notEqual':
          return [load, instruction(opcode.jumpEqual, value, past, 0), ...inner];
        case 'anyBitOf':
          return [load, instruction(opcode.jumpSet, value, 0, past), ...inner];
      }
    },
    [instruction(opcode.return, result)],
  );
}

/** Packs instructions as `struct sock_filter[]` in the machine's (little-endian) order. */
export function packFilter(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ code, jt, jf, k }, index) => {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jt, index * 8 + 2);
    bytes.writeUInt8(jf, index * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, index * 8 + 4);
  });
  return bytes;
}
