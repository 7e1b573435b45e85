import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { execa } from 'execa';

/** A module as insmod takes it. */
export interface ModuleFile {
  readonly name: string;
  readonly content: Buffer;
}

/**
 * The wanted modules of a tree and all that they depend on, dependencies first. What is not in the tree is built in,
 * or of no use in this kernel.
 *
 * @param files paths of `.ko` and `.ko.xz` files
 */
export async function modulesInOrder(
  files: readonly string[],
  wanted: readonly string[],
): Promise<ModuleFile[]> {
  const paths = new Map(files.map((path) => [moduleName(path), path]));
  const ordered = new Map<string, ModuleFile>();
  const add = async (name: string): Promise<void> => {
    const path = paths.get(name);
    if (path === undefined || ordered.has(name)) return;
    const content = await readModule(path);
    for (const dependency of dependencies(content)) await add(dependency);
    ordered.set(name, { name, content });
  };
  for (const name of wanted) await add(name);
  return [...ordered.values()];
}

/** `depends=` of a module's .modinfo section: names with commas. */
export function dependencies(module: Buffer): string[] {
  const key = Buffer.from('\0depends=', 'latin1');
  const at = module.indexOf(key);
  if (at < 0) return [];
  const start = at + key.length;
  const text = module.toString('latin1', start, module.indexOf(0, start));
  return text.split(',').filter(Boolean).map(moduleName);
}

/** Modules are named with underscores, their files and `depends` sometimes with hyphens. */
function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.xz)?$/, '')
    .replaceAll('-', '_');
}

async function readModule(path: string): Promise<Buffer> {
  if (!path.endsWith('.xz')) return readFile(path);
  const { stdout } = await execa('xz', ['-dc', path], { encoding: 'buffer', maxBuffer: 64 << 20 });
  return Buffer.from(stdout);
}
