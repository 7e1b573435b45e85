/** `KEY_TICKS`: nanoseconds in one clock tick as procfs counts them (USER_HZ, include/asm-generic/param.h). */
const nanosecondsPerTick = 10_000_000n;

/** `nsec_to_clock_t()`. */
export function ticks(nanoseconds: bigint): bigint {
  return nanoseconds / nanosecondsPerTick;
}

/** Escapes each of `characters`, and the backslash, as `\ooo` (`seq_escape`, `seq_path` and `mangle` in fs/). */
export function octalEscape(text: string, characters: string): string {
  return [...text]
    .map((c) =>
      c === '\\' || characters.includes(c) ? `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}` : c,
    )
    .join('');
}

/** A number with two decimals, cut and not rounded, as `%lu.%02lu` of a split value prints it. */
export function hundredths(value: number): string {
  // A value such as 0.29 is a little below 29 hundredths in binary.
  const cut = Math.floor(value * 100 + 1e-6);
  return `${Math.floor(cut / 100)}.${String(cut % 100).padStart(2, '0')}`;
}

/** A signal or capability set as `%016llx`. */
export function hex16(value: bigint): string {
  return BigInt.asUintN(64, value).toString(16).padStart(16, '0');
}

/** `name:\tvalue kB` as `SEQ_PUT_DEC` in fs/proc/task_mmu.c aligns it. */
export function statusKib(name: string, kib: number): string {
  return `${name}:\t${String(kib).padStart(8)} kB\n`;
}

export function lines(rows: Iterable<string>): string {
  return [...rows].map((row) => `${row}\n`).join('');
}
