import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const filesOfProgram = 4;
const functionsOfFile = 12;

/** Numbers that look random and are always the same: the generator of POSIX's example for rand(3). */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 16) % below;
  };
}

/**
 * Writes a set of small C programs and a Makefile that builds them all: each of some files with some functions
 * that loop, branch, format and compare, as small programs do. The same number gives the same bytes.
 */
export async function writePrograms(folder: string, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, index) => `program-${index}`);
  for (const [index, name] of names.entries()) {
    await mkdir(join(folder, name), { recursive: true });
    for (let file = 0; file < filesOfProgram; file++)
      await writeFile(join(folder, name, `part-${file}.c`), part(index, file));
    await writeFile(join(folder, name, 'main.c'), main());
  }
  await writeFile(join(folder, 'Makefile'), makefile(names));
}

const functionName = (file: number, index: number) => `work_${file}_${index}`;

function part(program: number, file: number): string {
  const next = numbers(program * filesOfProgram + file + 1);
  const functions = Array.from({ length: functionsOfFile }, (_, index) => {
    const [a, b, c] = [next(97) + 2, next(1000), next(13) + 3];
    return `long ${functionName(file, index)}(long x, char *text, size_t room) {
  long sum = ${b};
  for (long i = 0; i < x % ${a} + ${c}; i++) {
    if ((i ^ x) % ${c} == 0) sum += i * ${a};
    else sum ^= x << (i % 7);
  }
  if (snprintf(text, room, "%ld of ${program}", sum) < 0) return -1;
  return strlen(text) > ${c} ? sum : sum + labs(x) % ${a};
}
`;
  });
  return ['#include <stdio.h>', '#include <stdlib.h>', '#include <string.h>', '', ...functions].join('\n');
}

function main(): string {
  const calls = Array.from({ length: filesOfProgram }, (_, file) =>
    Array.from({ length: functionsOfFile }, (_, index) => functionName(file, index)),
  ).flat();
  return [
    '#include <stdio.h>',
    ...calls.map((name) => `long ${name}(long x, char *text, size_t room);`),
    'int main(int argc, char **argv) {',
    '  char text[64];',
    '  long sum = argc + argv[0][0];',
    ...calls.map((name) => `  sum += ${name}(sum, text, sizeof text);`),
    '  printf("%ld %s\\n", sum, text);',
    '  return 0;',
    '}',
    '',
  ].join('\n');
}

function makefile(names: readonly string[]): string {
  const objects = [...Array.from({ length: filesOfProgram }, (_, file) => `part-${file}.o`), 'main.o'];
  return [
    'CFLAGS = -O1 -std=c11',
    `all: ${names.map((name) => `${name}/program`).join(' ')}`,
    '%.o: %.c',
    '\t$(CC) $(CFLAGS) -c -o $@ $<',
    ...names.flatMap((name) => {
      const parts = objects.map((object) => `${name}/${object}`).join(' ');
      return [`${name}/program: ${parts}`, '\t$(CC) -o $@ $^'];
    }),
    'clean:',
    '\trm -f */*.o */program',
    '.PHONY: all clean',
    '',
  ].join('\n');
}
