import { ENOSYS, answers, x32Bit, type Abi, type SyscallRow } from './syscalls.js';

/** Offsets in `struct seccomp_data`, linux/seccomp.h. */
const data = { nr: 0, arch: 4 } as const;

/** `AUDIT_ARCH_*`, linux/audit.h. x32 shares x86-64's and is told apart by a bit of the number. */
export const auditArch = { x86_64: 0xc000_003e, i386: 0x4000_0003 } as const;

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

/** The 32-bit value that the filter returns for a row. */
export function verdictOf(row: SyscallRow): number {
  return row.answer.by === 'errno'
    ? verdict.errno | row.answer.errno
    : verdict.trace | answers[row.answer.as];
}

/**
 * The seccomp filter for some rows of the table: each of their calls gets the row's verdict, every other call
 * is allowed, and every call of an unknown architecture is ENOSYS.
 *
 * The kernel keeps a bitmap of the calls that a filter always allows, so the length of the list costs others
 * nothing.
 */
export function generateFilter(rows: readonly SyscallRow[]): readonly Instruction[] {
  const x32 = section(rows, 'x32');
  const native = section(rows, 'x86_64');
  const i386 = section(rows, 'i386');
  const number = instruction(opcode.load, data.nr);
  // Jumps count instructions that are skipped.
  const x86 = [number, ...ifElse(instruction(opcode.jumpSet, x32Bit), x32, native)];
  return [
    instruction(opcode.load, data.arch),
    ...ifElse(instruction(opcode.jumpEqual, auditArch.x86_64), x86, [
      ...ifElse(instruction(opcode.jumpEqual, auditArch.i386), [number, ...i386], []),
      instruction(opcode.return, verdict.errno | ENOSYS),
    ]),
  ];
}

/** Conditional jumps reach 255 instructions; an unconditional one reaches any. */
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

/** Ends in a return on every way through it. */
function section(rows: readonly SyscallRow[], abi: Abi): Instruction[] {
  const bit = abi === 'x32' ? x32Bit : 0;
  const cases = rows.flatMap((row) => {
    const nr = row.numbers[abi];
    if (nr === undefined) return [];
    return [instruction(opcode.jumpEqual, nr | bit, 0, 1), instruction(opcode.return, verdictOf(row))];
  });
  return [...cases, instruction(opcode.return, verdict.allow)];
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
