/** The engine for aarch64: that it compiles and links. It is not run, because no emulator of programs knows ptrace. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const shim = fileURLToPath(new URL('../../../native-shim', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ouassister-aarch64-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** `e_machine` of an ELF file; EM_AARCH64 is 183, elf.h. */
const machineOf = (name: string) => readFileSync(join(folder, 'aarch64', name)).readUInt16LE(18);

test('the engine, the stub and the init are built for aarch64 without a warning', () => {
  execFileSync('make', ['-C', shim, `BUILD=${folder}`, 'check-aarch64'], { stdio: 'pipe' });
  expect(['engine.so', 'stub', 'init'].map(machineOf)).toEqual([183, 183, 183]);
});
