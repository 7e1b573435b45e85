import { OuaError } from '../base/errors.js';
import { formats, type MemoryFormat } from './formats.js';
import type { PhysicalMemory } from './memory.js';
import { ImageFile } from './source.js';

/** The names that `format` of {@link openMemory} takes; `firecracker` takes a path behind a colon. */
export const memoryFormats: readonly string[] = formats.map((format) => format.name);

const detectionBytes = 4096;
const liveScheme = 'qmp:';

/**
 * Opens a memory image, or with `qmp:SOCKET` the memory of a paused VM. The format is found by the content, or is
 * what `format` says. A format without a mark of its own (`raw`) is only taken when it is named.
 *
 * @throws OuaError `FILE_MISSING`, `MEMORY_FORMAT`, `MEMORY_TRUNCATED`, `USAGE` for an unknown format name, and what
 *   `openLiveQemu` throws
 */
export async function openMemory(
  path: string,
  options: { format?: string | undefined } = {},
): Promise<PhysicalMemory> {
  if (path.startsWith(liveScheme)) {
    refuseFormat(options.format);
    // Loaded when it is asked for: what speaks QMP takes longer to load than a file takes to open.
    const { openLiveQemu } = await import('./live-qemu.js');
    return openLiveQemu(path.slice(liveScheme.length));
  }
  const named = options.format === undefined ? undefined : formatNamed(options.format);
  const file = new ImageFile(path);
  try {
    return await (named ? named.format.open(file, named.argument) : detect(file).open(file, undefined));
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

function formatNamed(name: string): { readonly format: MemoryFormat; readonly argument: string | undefined } {
  const exact = formats.find((format) => format.name === name);
  if (exact) return { format: exact, argument: undefined };
  const colon = name.indexOf(':');
  const taking = formats.find((format) => format.takesArgument && format.name === name.slice(0, colon));
  if (colon > 0 && taking) return { format: taking, argument: name.slice(colon + 1) };
  throw new OuaError(
    'USAGE',
    `there is no memory format '${name}'`,
    `take one of: ${memoryFormats.join(', ')}`,
  );
}

function refuseFormat(format: string | undefined): void {
  if (format === undefined) return;
  throw new OuaError(
    'USAGE',
    `the memory of a live VM has no format '${format}'`,
    'leave --memory-format out',
  );
}

function detect(file: ImageFile): MemoryFormat {
  const start = file.read(0, Math.min(detectionBytes, file.size));
  const format = formats.find((row) => row.detect?.(start, file.path));
  if (format) return format;
  throw new OuaError(
    'MEMORY_FORMAT',
    `${file.path} has no known memory image format`,
    `name it with --memory-format (${memoryFormats.join(', ')}), or save the memory with QMP dump-guest-memory`,
  );
}
