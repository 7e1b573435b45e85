/** The table's numbers against the kernel's own headers, through the compiler. */
import { execFileSync } from 'node:child_process';
import { abis, numberOf, syscallNames, type Abi } from '../../src/tracer/numbers.js';

interface Header {
  readonly name: string;
  readonly defines: readonly string[];
}

const headers: Readonly<Record<Abi, Header>> = {
  x86_64: { name: 'asm/unistd_64.h', defines: [] },
  x32: { name: 'asm/unistd_x32.h', defines: ['__X32_SYSCALL_BIT=0'] },
  i386: { name: 'asm/unistd_32.h', defines: [] },
  // arch/arm64/include/uapi/asm/unistd.h
  aarch64: { name: 'asm-generic/unistd.h', defines: ['__ARCH_WANT_RENAMEAT', '__BITS_PER_LONG=64'] },
};

function numbersIn({ name, defines }: Header): ReadonlyMap<string, number> {
  const macros = execFileSync(
    'cc',
    ['-E', '-dM', ...defines.map((define) => `-D${define}`), '-include', name, '-x', 'c', '/dev/null'],
    { encoding: 'utf8' },
  );
  const definitions = [
    ...macros.matchAll(/^#define (__NR(?:3264)?_\w+) \(?(?:__X32_SYSCALL_BIT \+ )?(\d+|__NR3264_\w+)\)?$/gm),
  ].map(([, macro = '', value = '']) => [macro, value] as const);
  const values = new Map(definitions);
  return new Map(definitions.map(([macro, value]) => [macro, Number(values.get(value) ?? value)]));
}

/** The highest number of a header: calls that it is too old for have a number above it. From 512 on x32 has calls of its own. */
const newest = (numbers: ReadonlyMap<string, number>) =>
  Math.max(...[...numbers.values()].filter((nr) => nr < 512));

test.each(abis)('%s', (abi) => {
  const numbers = numbersIn(headers[abi]);
  expect(numbers.size).toBeGreaterThan(200);
  for (const name of syscallNames) {
    const ours = numberOf(name, abi);
    const theirs = numbers.get(`__NR_${name}`);
    if (theirs === undefined && ours !== undefined) expect(ours).toBeGreaterThan(newest(numbers));
    else expect([name, ours]).toEqual([name, theirs]);
  }
});

test('a call that the headers are too old for has one number everywhere', () => {
  for (const name of syscallNames) {
    const given = abis.map((abi) => numberOf(name, abi)).filter((nr) => nr !== undefined && nr > 424);
    expect(new Set(given).size).toBeLessThanOrEqual(1);
  }
});
