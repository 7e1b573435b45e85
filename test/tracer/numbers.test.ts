/** The table's numbers against the kernel's own headers, through the compiler. */
import { execFileSync } from 'node:child_process';
import { syscalls, type Abi } from '../../src/tracer/syscalls.js';

const headers: readonly [Abi, header: string][] = [
  ['x86_64', 'asm/unistd_64.h'],
  ['x32', 'asm/unistd_x32.h'],
  ['i386', 'asm/unistd_32.h'],
];

test.each(headers)('%s', (abi, header) => {
  const macros = execFileSync(
    'cc',
    ['-E', '-dM', '-D__X32_SYSCALL_BIT=0', '-include', header, '-x', 'c', '/dev/null'],
    {
      encoding: 'utf8',
    },
  );
  const numbers = new Map(
    [...macros.matchAll(/^#define (\w+) \(?(?:__X32_SYSCALL_BIT \+ )?(\d+)\)?$/gm)].map(([, name, nr]) => [
      name,
      Number(nr),
    ]),
  );
  for (const row of syscalls) {
    const name = `__NR_${row.name}`;
    expect([row.name, row.numbers[abi]]).toEqual([row.name, numbers.get(name)]);
  }
});
