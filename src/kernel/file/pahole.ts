import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toolEnvironment } from '../../base/command.js';
import { errnoOf, OuaError } from '../../base/errors.js';
import { damaged } from './decompress.js';

/** A kernel's debug information takes a minute and some gigabytes of memory; this is a hang guard. */
const patienceMs = 1_800_000;

/**
 * Type information (BTF) made from a vmlinux's debug information (DWARF) by pahole, as the kernel's own build does.
 * @throws OuaError `PROGRAM_MISSING`, `KERNEL_FILE`.
 */
export function btfFromDwarf(vmlinux: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'ouassister-btf-'));
  try {
    const output = join(folder, 'btf');
    const { error, status, stderr } = spawnSync('pahole', [`--btf_encode_detached=${output}`, vmlinux], {
      env: toolEnvironment,
      encoding: 'utf8',
      timeout: patienceMs,
    });
    if (errnoOf(error) === 'ENOENT')
      throw new OuaError(
        'PROGRAM_MISSING',
        `${vmlinux} has debug information, but no BTF, and the program 'pahole' is not installed`,
        'install it: apt-get install dwarves',
      );
    if (error || status !== 0)
      throw damaged(vmlinux, `pahole says: ${error?.message ?? stderr.trim()}`, error);
    return readFileSync(output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
