import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePrograms } from './sources.js';

test('the programs are the same each time, and can be built without a warning', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ouassister-sources-'));
  try {
    const folders = ['one', 'other'].map((name) => join(folder, name));
    for (const path of folders) await writePrograms(path, 2);
    const texts = folders.map((path) => readFileSync(join(path, 'program-1/part-2.c'), 'utf8'));
    expect(texts[0]).toBe(texts[1]);
    execFileSync('make', ['-s', 'CFLAGS=-std=c11 -Wall -Wextra -Werror'], { cwd: folders[0] });
    expect(execFileSync(join(folders[0]!, 'program-1/program'), { encoding: 'utf8' })).toMatch(/^-?\d+ /);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
